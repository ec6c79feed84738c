import ArgumentParser
import Configuration

/// The options of `serve`.
///
/// What is not given here is looked up by `ServerConfiguration`.
struct ServerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address to listen on (default: 127.0.0.1).", valueName: "address"))
    var host: String?

    @Option(help: ArgumentHelp("Port to listen on (default: 5003).", valueName: "number"))
    var port: Int?

    @Option(
        help: ArgumentHelp(
            """
            Where to keep checkpoints: sqlite:PATH, postgresql://USER@HOST/DATABASE (or any other libpq connection \
            string) or memory: (default: sqlite:milepost.db).
            """,
            valueName: "url"
        )
    )
    var store: String?

    @Option(help: ArgumentHelp("File that holds the password of the PostgreSQL user.", valueName: "path"))
    var storePasswordFile: String?

    @Option(help: ArgumentHelp("File that holds the keys that values are encrypted with.", valueName: "path"))
    var encryptionKeysFile: String?

    @Option(help: ArgumentHelp("Command that prints those keys, instead of a file.", valueName: "command"))
    var encryptionKeysCommand: String?

    @Option(
        help: ArgumentHelp(
            "Least severe level to log: trace, debug, info, notice, warning, error, critical (default: info).",
            valueName: "level"
        )
    )
    var logLevel: String?

    @Option(
        help: ArgumentHelp(
            "Form of the log lines: json or text (default: text on a terminal, else json).",
            valueName: "form"
        )
    )
    var logFormat: String?

    @Option(help: ArgumentHelp("JSON file with any of these options, by the same names.", valueName: "path"))
    var config: String?

    @OptionGroup(title: "Access") var access: AccessOptions
    @OptionGroup(title: "TLS") var tls: TLSOptions
    @OptionGroup(title: "Limits") var limits: LimitOptions
    @OptionGroup(title: "Retention") var retention: RetentionOptions
    @OptionGroup(title: "Metrics and traces") var observation: ObservationOptions

    /// What was given on the command line.
    var provider: InMemoryProvider {
        let given: [(String, ConfigContent?)] =
            [
                ("host", host.map(ConfigContent.string)),
                ("port", port.map(ConfigContent.int)),
                ("store", store.map(ConfigContent.string)),
                ("store-password-file", storePasswordFile.map(ConfigContent.string)),
                ("encryption-keys-file", encryptionKeysFile.map(ConfigContent.string)),
                ("encryption-keys-command", encryptionKeysCommand.map(ConfigContent.string)),
                ("log-level", logLevel.map(ConfigContent.string)),
                ("log-format", logFormat.map(ConfigContent.string)),
            ] + access.values + tls.values + limits.values + retention.values + observation.values
        let values = given.compactMap { name, content in
            content.map { (AbsoluteConfigKey([name]), ConfigValue($0, isSecret: false)) }
        }
        return InMemoryProvider(name: "command line", values: Dictionary(uniqueKeysWithValues: values))
    }
}

/// Who gets in.
struct AccessOptions: ParsableArguments {
    @Option(help: ArgumentHelp("API keys, as milepost keys create makes them.", valueName: "path"))
    var apiKeysFile: String?

    @Option(help: ArgumentHelp("Keys of an issuer of tokens (JWKS).", valueName: "path or https URL"))
    var jwtJwks: String?

    @Option(help: ArgumentHelp("Issuer that tokens have to name.", valueName: "iss"))
    var jwtIssuer: String?

    @Option(help: ArgumentHelp("Audience that tokens have to name.", valueName: "aud"))
    var jwtAudience: String?

    @Option(help: ArgumentHelp("Signatures that are taken (default: RS256,ES256,EdDSA).", valueName: "names"))
    var jwtAlgorithms: String?

    @Option(help: ArgumentHelp("Claim that names the tenant (default: tenant).", valueName: "claim"))
    var jwtTenantClaim: String?

    @Option(help: ArgumentHelp("Claim that lists the scopes (default: scope).", valueName: "claim"))
    var jwtScopesClaim: String?

    @Option(help: ArgumentHelp("Whose client certificates are whose.", valueName: "path"))
    var clientCertificatesFile: String?

    @Option(help: ArgumentHelp("Agentex authorisation provider (also AGENTEX_AUTH_URL).", valueName: "url"))
    var agentexAuthUrl: String?

    @Option(
        help: ArgumentHelp("Requests of one principal a second, 0 for any number (default: 5000).", valueName: "number")
    )
    var rateLimit: Int?

    @Option(help: ArgumentHelp("File for audit records (default: they go to the log).", valueName: "path"))
    var auditLog: String?

    @Flag(help: "Without authentication, let everybody in from any address.")
    var insecureAllowOpen = false

    @Flag(help: "A proxy in front ends TLS; its x-forwarded-for is believed.")
    var behindTlsProxy = false

    @Flag(help: "Serve no page at /inspector.")
    var noInspector = false

    var values: [(String, ConfigContent?)] {
        [
            ("api-keys-file", apiKeysFile.map(ConfigContent.string)),
            ("jwt-jwks", jwtJwks.map(ConfigContent.string)),
            ("jwt-issuer", jwtIssuer.map(ConfigContent.string)),
            ("jwt-audience", jwtAudience.map(ConfigContent.string)),
            ("jwt-algorithms", jwtAlgorithms.map(ConfigContent.string)),
            ("jwt-tenant-claim", jwtTenantClaim.map(ConfigContent.string)),
            ("jwt-scopes-claim", jwtScopesClaim.map(ConfigContent.string)),
            ("client-certificates-file", clientCertificatesFile.map(ConfigContent.string)),
            ("agentex-auth-url", agentexAuthUrl.map(ConfigContent.string)),
            ("rate-limit", rateLimit.map(ConfigContent.int)),
            ("audit-log", auditLog.map(ConfigContent.string)),
            ("insecure-allow-open", insecureAllowOpen ? .bool(true) : nil),
            ("behind-tls-proxy", behindTlsProxy ? .bool(true) : nil),
            ("no-inspector", noInspector ? .bool(true) : nil),
        ]
    }
}

/// The certificates.
struct TLSOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Certificate and its chain, as PEM.", valueName: "path"))
    var tlsCertificateFile: String?

    @Option(help: ArgumentHelp("Private key of the certificate, as PEM.", valueName: "path"))
    var tlsKeyFile: String?

    @Option(help: ArgumentHelp("Authority of client certificates, as PEM.", valueName: "path"))
    var tlsClientCaFile: String?

    var values: [(String, ConfigContent?)] {
        [
            ("tls-certificate-file", tlsCertificateFile.map(ConfigContent.string)),
            ("tls-key-file", tlsKeyFile.map(ConfigContent.string)),
            ("tls-client-ca-file", tlsClientCaFile.map(ConfigContent.string)),
        ]
    }
}

/// What one client may cost.
struct LimitOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Largest request body that is taken, in bytes (default: 67108864).", valueName: "bytes")
    )
    var maxBodyBytes: Int?

    @Option(
        help: ArgumentHelp(
            """
            Request bodies that are held in memory at one time, in bytes together (default: 134217728, or twice \
            --max-body-bytes).
            """,
            valueName: "bytes"
        )
    )
    var maxInFlightBytes: Int?

    @Option(help: ArgumentHelp("Connections that may be open at one time (default: 10000).", valueName: "number"))
    var maxConnections: Int?

    @Option(
        help: ArgumentHelp("Largest request line and headers, in bytes together (default: 16384).", valueName: "bytes")
    )
    var maxHeaderBytes: Int?

    @Option(
        help: ArgumentHelp(
            "How long a request may take, its body and its answer with it (default: 300).", valueName: "seconds")
    )
    var requestTimeout: Int?

    @Flag(help: "Take no Python pickles, which run code wherever they are loaded.")
    var refusePickle = false

    var values: [(String, ConfigContent?)] {
        [
            ("max-body-bytes", maxBodyBytes.map(ConfigContent.int)),
            ("max-in-flight-bytes", maxInFlightBytes.map(ConfigContent.int)),
            ("max-connections", maxConnections.map(ConfigContent.int)),
            ("max-header-bytes", maxHeaderBytes.map(ConfigContent.int)),
            ("request-timeout", requestTimeout.map(ConfigContent.int)),
            ("refuse-pickle", refusePickle ? .bool(true) : nil),
        ]
    }
}
