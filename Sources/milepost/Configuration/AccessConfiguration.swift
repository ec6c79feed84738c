import Configuration

/// Who gets in, and what is written down about it.
struct AccessConfiguration: Hashable {
    /// `api-keys-file` (string, default none): file that `milepost keys` writes.
    let apiKeysFile: String?
    /// Tokens of an identity provider; nil without `jwt-jwks`.
    let jwt: JWTConfiguration?
    /// `client-certificates-file` (string, default none): whose client certificates are whose.
    let clientCertificatesFile: String?
    /// `agentex-auth-url` (string, default none): the Agentex authorisation provider.
    ///
    /// Also `AGENTEX_AUTH_URL` in the environment, as for Agentex itself.
    let agentexURL: String?
    /// `rate-limit` (int, default 5000, 0–1000000): requests of one principal a second, 0 for any number.
    let rateLimit: Int
    /// `audit-log` (string, default none): file to which audit records are added; without it they go to the log.
    let auditLog: String?
    /// `insecure-allow-open` (bool, default false): without authentication, listen on any address all the same.
    let allowsOpen: Bool
    /// `behind-tls-proxy` (bool, default false): a proxy in front ends TLS, and says who the client is.
    let isBehindProxy: Bool
    /// `no-inspector` (bool, default false): serve no page at `/inspector`, nor what it asks for.
    ///
    /// A server that is open to strangers has none anyway.
    let hasNoInspector: Bool

    static let keys: [(name: String, default: ConfigValue)] = [
        ("api-keys-file", ""),
        ("jwt-jwks", ""),
        ("jwt-issuer", ""),
        ("jwt-audience", ""),
        ("jwt-algorithms", "RS256,ES256,EdDSA"),
        ("jwt-tenant-claim", "tenant"),
        ("jwt-scopes-claim", "scope"),
        ("client-certificates-file", ""),
        ("agentex-auth-url", ""),
        ("rate-limit", 5_000),
        ("audit-log", ""),
        ("insecure-allow-open", false),
        ("behind-tls-proxy", false),
        ("no-inspector", false),
    ]

    init(_ config: ConfigReader) throws(StartError) {
        apiKeysFile = try config.optionalText("api-keys-file")
        jwt = try JWTConfiguration(config)
        clientCertificatesFile = try config.optionalText("client-certificates-file")
        agentexURL = try config.optionalText("agentex-auth-url")
        rateLimit = try config.number("rate-limit", in: 0...1_000_000)
        auditLog = try config.optionalText("audit-log")
        allowsOpen = try config.flag("insecure-allow-open")
        isBehindProxy = try config.flag("behind-tls-proxy")
        hasNoInspector = try config.flag("no-inspector")
    }

    /// Whether anybody has to say who they are.
    var isOpen: Bool {
        apiKeysFile == nil && jwt == nil && clientCertificatesFile == nil && agentexURL == nil
    }
}

/// What tokens have to be like.
struct JWTConfiguration: Hashable {
    /// `jwt-jwks` (string, default none): path or https URL of the issuer's keys.
    let jwks: String
    /// `jwt-issuer` (string): what `iss` has to be.
    let issuer: String
    /// `jwt-audience` (string): what `aud` has to be, or to have among others.
    let audience: String
    /// `jwt-algorithms` (string, default RS256,ES256,EdDSA): the signature algorithms that are taken.
    let algorithms: [String]
    /// `jwt-tenant-claim` (string, default tenant): which claim names the tenant; empty for the default tenant.
    let tenantClaim: String
    /// `jwt-scopes-claim` (string, default scope): which claim lists the scopes.
    let scopesClaim: String

    /// Nil without `jwt-jwks`.
    init?(_ config: ConfigReader) throws(StartError) {
        issuer = try config.text("jwt-issuer")
        audience = try config.text("jwt-audience")
        algorithms = try config.words("jwt-algorithms")
        tenantClaim = try config.text("jwt-tenant-claim")
        scopesClaim = try config.text("jwt-scopes-claim")
        guard let jwks = try config.optionalText("jwt-jwks") else {
            guard issuer.isEmpty, audience.isEmpty else {
                throw .usage(
                    "jwt-issuer and jwt-audience need jwt-jwks; give the path or https URL of the issuer's keys")
            }
            return nil
        }
        guard !issuer.isEmpty, !audience.isEmpty else {
            throw .usage(
                "jwt-jwks needs jwt-issuer and jwt-audience; a token for somebody else would be taken otherwise")
        }
        self.jwks = jwks
    }
}
