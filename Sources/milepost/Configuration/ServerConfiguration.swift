import CheckpointAPI
import Configuration
import Glibc
import JSON
import Logging
import NIOCore
import Observability
import SystemPackage

/// Everything an operator can set, read here and nowhere else.
///
/// A key has one name everywhere: `log-level` is `--log-level` on the command line, `MILEPOST_LOG_LEVEL` in the
/// environment and `"log-level"` in the file. The first of those that has it counts.
struct ServerConfiguration {
    /// `host` (string, default 127.0.0.1): address to listen on.
    let host: String
    /// `port` (int, default 5003): port to listen on, 0–65535; 0 lets the system choose.
    let port: Int
    /// `store` (string, default sqlite:milepost.db): where checkpoints are kept.
    ///
    /// `store-password-file` (string, default none): where the password of its PostgreSQL user stands.
    let store: StoreConfiguration
    /// `encryption-keys-file` (string, default none): where the keys are that values are encrypted with;
    /// `encryption-keys-command` (string, default none): what prints them, instead.
    let encryption: EncryptionConfiguration
    /// `max-body-bytes` (int, default 67108864, 1–536870912): largest request body; `max-in-flight-bytes` (int, default 134217728 or
    /// twice `max-body-bytes`, whichever is more): the bodies that are in memory at one time, together.
    ///
    /// `refuse-pickle` (bool, default false): whether Python pickles are refused.
    let limits: APILimits
    /// `max-connections` (int, default 10000, 1–1000000), `max-header-bytes` (int, default 16384, 1024–65536): what a request
    /// line and its headers come to; `request-timeout` (int, default 300, 1–86400): seconds from the head of a request to
    /// the end of its answer.
    let connections: ConnectionLimits
    let access: AccessConfiguration
    /// Nil for plain HTTP.
    let tls: TLSConfiguration?
    let retention: RetentionConfiguration
    let observation: ObservationConfiguration
    /// `log-level` (string, default info): least severe level that is logged.
    let logLevel: Logger.Level
    /// `log-format` (string: json or text; default text on a terminal, else json).
    let logFormat: LogFormat

    /// The keys, in the order of the documentation, with their defaults.
    ///
    /// An empty default is decided at start.
    static let keys: [(name: String, default: ConfigValue)] =
        ownKeys + AccessConfiguration.keys + TLSConfiguration.keys + RetentionConfiguration.keys
        + ObservationConfiguration.keys

    private static let ownKeys: [(name: String, default: ConfigValue)] = [
        ("host", "127.0.0.1"),
        ("port", 5003),
        ("store", "sqlite:milepost.db"),
        ("store-password-file", ""),
        ("encryption-keys-file", ""),
        ("encryption-keys-command", ""),
        ("max-body-bytes", ConfigValue(.int(APILimits.defaultBodyBytes), isSecret: false)),
        ("max-in-flight-bytes", ""),
        ("refuse-pickle", false),
        ("max-connections", 10_000),
        ("max-header-bytes", 16_384),
        ("request-timeout", 300),
        ("log-level", "info"),
        ("log-format", ""),
    ]

    /// Reads the file that `--config` or `MILEPOST_CONFIG` names, if any, and puts the sources in order.
    static func read(
        _ options: ServerOptions,
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) async throws -> ServerConfiguration {
        try ServerConfiguration(await sources(options.provider, file: options.config, environment))
    }

    /// The store that a server started in this environment would open, for a command that takes nothing else of it.
    ///
    /// `url` and `passwordFile` are what was given on the command line.
    static func readStore(
        _ url: String?,
        passwordFile: String? = nil,
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) async throws -> StoreConfiguration {
        try store(await sources(["store": url, "store-password-file": passwordFile], environment))
    }

    /// The same for the keys of that store.
    static func readEncryption(
        keysFile: String?,
        keysCommand: String?,
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) async throws -> EncryptionConfiguration {
        // One that is given stands for both.
        let isGiven = keysFile != nil || keysCommand != nil
        let given = [
            "encryption-keys-file": keysFile ?? (isGiven ? "" : nil),
            "encryption-keys-command": keysCommand ?? (isGiven ? "" : nil),
        ]
        return try encryption(await sources(given, environment))
    }

    private static func sources(
        _ given: [String: String?],
        _ environment: EnvironmentVariablesProvider
    ) async throws -> ConfigReader {
        let values = given.compactMap { name, text in
            text.map { (AbsoluteConfigKey([name]), ConfigValue(.string($0), isSecret: false)) }
        }
        let provider = InMemoryProvider(name: "command line", values: Dictionary(uniqueKeysWithValues: values))
        return try await sources(provider, file: nil, environment)
    }

    static func sources(
        _ commandLine: InMemoryProvider,
        file: String?,
        _ environment: EnvironmentVariablesProvider
    ) async throws -> ConfigReader {
        let shared = ConfigReader(provider: environment).string(forKey: "agentex-auth-url")
        let environment = environment.prefixKeys(with: "milepost")
        var providers: [any ConfigProvider] = [commandLine, environment]
        let file = file ?? ConfigReader(provider: environment).string(forKey: "config")
        if let file {
            providers.append(try await fileProvider(file))
        }
        var defaults = keys.map { (AbsoluteConfigKey([$0.name]), $0.default) }
        if let shared {
            // The name that Agentex itself takes; what is set for Milepost alone comes first.
            defaults.removeAll { $0.0 == ["agentex-auth-url"] }
            defaults.append((["agentex-auth-url"], ConfigValue(.string(shared), isSecret: false)))
        }
        providers.append(InMemoryProvider(name: "defaults", values: Dictionary(uniqueKeysWithValues: defaults)))
        return ConfigReader(providers: providers)
    }

    init(_ config: ConfigReader) throws {
        host = try config.text("host")
        port = try config.number("port", in: 0...65_535)
        store = try Self.store(config)
        encryption = try Self.encryption(config)
        limits = try Self.limits(config)
        connections = try Self.connections(config)
        access = try AccessConfiguration(config)
        tls = try TLSConfiguration(config)
        retention = try RetentionConfiguration(config)
        observation = try ObservationConfiguration(config)
        logLevel = try Self.logLevel(config)
        logFormat = try Self.logFormat(config)
        guard access.clientCertificatesFile == nil || tls?.clientCAFile != nil else {
            throw StartError.usage(
                "client-certificates-file needs tls-client-ca-file; without it no client certificate is looked at"
            )
        }
        try exposure.check()
    }

    /// Who reaches the server where it listens.
    var exposure: Exposure {
        Exposure(host: host, access: access, hasTLS: tls != nil)
    }

    static func logLevel(_ config: ConfigReader) throws(StartError) -> Logger.Level {
        let level = try config.text("log-level")
        guard let logLevel = Logger.Level(rawValue: level) else {
            let names = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            throw .usage("log-level '\(level)' is not known; use one of \(names)")
        }
        return logLevel
    }

    static func logFormat(_ config: ConfigReader) throws(StartError) -> LogFormat {
        let format = try config.text("log-format")
        if format.isEmpty { return isatty(STDERR_FILENO) == 1 ? .text : .json }
        guard let named = LogFormat(rawValue: format) else {
            throw .usage("log-format '\(format)' is not known; use json or text")
        }
        return named
    }

    static func store(_ config: ConfigReader) throws(StartError) -> StoreConfiguration {
        try StoreConfiguration(url: config.text("store"), passwordFile: config.optionalText("store-password-file"))
    }

    static func connections(_ config: ConfigReader) throws(StartError) -> ConnectionLimits {
        var limits = ConnectionLimits()
        limits.connections = try config.number("max-connections", in: 1...1_000_000)
        limits.headerBytes = try config.number("max-header-bytes", in: 1_024...65_536)
        limits.request = .seconds(Int64(try config.number("request-timeout", in: 1...86_400)))
        return limits
    }

    static func encryption(_ config: ConfigReader) throws(StartError) -> EncryptionConfiguration {
        try EncryptionConfiguration(
            keysFile: config.text("encryption-keys-file"),
            keysCommand: config.text("encryption-keys-command")
        )
    }

    static func limits(_ config: ConfigReader) throws(StartError) -> APILimits {
        let bytes = try config.number("max-body-bytes", in: 1...APILimits.maximumBodyBytes)
        let refusesPickle = try config.flag("refuse-pickle")
        if config.string(forKey: "max-in-flight-bytes") == "" {
            return APILimits(bodyBytes: bytes, refusesPickle: refusesPickle)
        }
        let budget = try config.value("max-in-flight-bytes") { try config.requiredInt(forKey: $0) }
        guard budget >= bytes else {
            throw .usage(
                "max-in-flight-bytes is \(budget), which is less than one body of max-body-bytes (\(bytes)); "
                    + "give at least that, or a smaller max-body-bytes"
            )
        }
        return APILimits(bodyBytes: bytes, inFlightBytes: budget, refusesPickle: refusesPickle)
    }

    private static func fileProvider(_ path: String) async throws(StartError) -> FileProvider<JSONSnapshot> {
        do {
            let provider = try await FileProvider<JSONSnapshot>(filePath: FilePath(path))
            try checkNames(in: path)
            return provider
        } catch let error as StartError {
            throw error
        } catch {
            throw .usage("cannot read the configuration file \(path): \(error); it must be a JSON object")
        }
    }

    /// Where it listens.
    var listener: Listener { Listener(host: host, port: port, hostOption: "--host", portOption: "--port") }

    /// A misspelt name would otherwise be a setting that silently does nothing.
    private static func checkNames(in path: String) throws {
        let descriptor = try FileDescriptor.open(FilePath(path), .readOnly)
        let bytes = try descriptor.closeAfter {
            var bytes = [UInt8](repeating: 0, count: 1 << 20)
            let count = try bytes.withUnsafeMutableBytes { try descriptor.read(into: $0) }
            return Array(bytes.prefix(count))
        }
        guard case .object(let members) = try JSONValue(parsing: bytes) else { return }
        for member in members {
            let name = member.name.string ?? ""
            guard keys.contains(where: { $0.name == name }) else {
                let names = keys.map(\.name).joined(separator: ", ")
                throw StartError.usage("'\(name)' in \(path) is not an option; use \(names)")
            }
        }
    }
}
