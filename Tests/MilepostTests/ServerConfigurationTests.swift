import ArgumentParser
import CheckpointAPI
import Configuration
import Foundation
import Logging
import NIOCore
import Observability
import PostgresStorage
import Testing

@testable import milepost

@Suite("Configuration")
struct ServerConfigurationTests {
    private func read(
        _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) async throws -> ServerConfiguration {
        let options = try ServerOptions.parse(arguments)
        return try await ServerConfiguration.read(
            options,
            environment: EnvironmentVariablesProvider(environmentVariables: environment)
        )
    }

    private func usageError(
        _ arguments: [String] = [],
        environment: [String: String] = [:]
    ) async -> String? {
        do {
            _ = try await read(arguments, environment: environment)
            return nil
        } catch let error as StartError {
            return error.isUsage ? error.description : nil
        } catch {
            return nil
        }
    }

    private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "milepost-\(UUID().uuidString).json"
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    @Test("everything has a default")
    func defaults() async throws {
        let configuration = try await read()
        #expect(configuration.host == "127.0.0.1")
        #expect(configuration.port == 5_003)
        #expect(configuration.store == .sqlite(path: "milepost.db"))
        #expect(configuration.limits.bodyBytes == 64 * 1_024 * 1_024)
        #expect(configuration.limits.inFlightBytes == 128 * 1_024 * 1_024)
        #expect(configuration.logLevel == .info)
        #expect(configuration.access.isOpen)
        #expect(configuration.access.rateLimit == 5_000)
        #expect(configuration.tls == nil)
        #expect(!configuration.limits.refusesPickle)
    }

    @Test("a command that needs only the store finds the one that a server would open")
    func store() async throws {
        func store(_ url: String?, _ environment: [String: String]) async throws -> StoreConfiguration {
            let environment = EnvironmentVariablesProvider(environmentVariables: environment)
            return try await ServerConfiguration.readStore(url, environment: environment)
        }
        #expect(try await store(nil, [:]) == .sqlite(path: "milepost.db"))
        #expect(try await store(nil, ["MILEPOST_STORE": "sqlite:a.db"]) == .sqlite(path: "a.db"))
        #expect(try await store("sqlite:b.db", ["MILEPOST_STORE": "sqlite:a.db"]) == .sqlite(path: "b.db"))
        // A server's other settings are none of its business.
        #expect(try await store(nil, ["MILEPOST_PORT": "x"]) == .sqlite(path: "milepost.db"))
        try await withFile(#"{"store":"sqlite:c.db"}"#) { path in
            let found = try await store(nil, ["MILEPOST_CONFIG": path])
            #expect(found == .sqlite(path: "c.db"))
        }
        await #expect(throws: StartError.self) { try await store("nonsense", [:]) }
    }

    @Test("the command line counts before the environment, and that before the file")
    func precedence() async throws {
        try await withFile(#"{"host":"127.0.0.1","port":1,"store":"memory:","log-level":"error"}"#) { path in
            let environment = ["MILEPOST_HOST": "127.0.0.2", "MILEPOST_PORT": "2"]
            let configuration = try await read(["--config", path, "--host", "127.0.0.3"], environment: environment)
            #expect(configuration.host == "127.0.0.3")
            #expect(configuration.port == 2)
            #expect(configuration.store == .memory)
            #expect(configuration.logLevel == .error)
        }
    }

    private static let running: [String: (text: String, json: String)] = [
        "retain-idle": ("30d", "\"30d\""), "retain-age": ("12h", "\"12h\""), "retain-last": ("5", "5"),
        "retention-file": ("r.json", "\"r.json\""), "sweep-interval": ("90s", "\"90s\""),
        "metrics-host": ("::1", "\"::1\""), "metrics-port": ("9090", "9090"),
        "traces-url": ("http://[::1]:4318/v1/traces", "\"http://[::1]:4318/v1/traces\""),
        "traces-percent": ("10", "10"), "slow-call-ms": ("250", "250"),
    ]

    private func expectRunning(_ configuration: ServerConfiguration) {
        #expect(configuration.retention.idle == .seconds(30 * 86_400))
        #expect(configuration.retention.age == .seconds(12 * 3_600))
        #expect(configuration.retention.last == 5)
        #expect(configuration.retention.file == "r.json")
        #expect(configuration.retention.interval == .seconds(90))
        #expect(
            configuration.observation.metrics
                == Listener(host: "::1", port: 9_090, hostOption: "--metrics-host", portOption: "--metrics-port"))
        #expect(configuration.observation.tracesURL?.description == "http://[::1]:4318/v1/traces")
        #expect(configuration.observation.tracesPercent == 10)
        #expect(configuration.observation.slowCall == .milliseconds(250))
    }

    @Test("every key can be set on the command line, in the environment and in the file")
    func everyKey() async throws {
        let url = "postgresql://u@h/d"
        let passwords = NSTemporaryDirectory() + "milepost-\(UUID().uuidString).password"
        try "secret\n".write(toFile: passwords, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: passwords) }
        let values: [String: (text: String, json: String)] = [
            "host": ("::1", "\"::1\""), "port": ("8000", "8000"), "store": (url, "\"\(url)\""),
            "store-password-file": (passwords, "\"\(passwords)\""),
            "encryption-keys-file": ("k.json", "\"k.json\""), "encryption-keys-command": ("echo", "\"echo\""),
            "max-body-bytes": ("1000", "1000"), "max-in-flight-bytes": ("1500", "1500"),
            "log-level": ("debug", "\"debug\""), "log-format": ("text", "\"text\""),
            "refuse-pickle": ("true", "true"), "insecure-allow-open": ("true", "true"),
            "behind-tls-proxy": ("true", "true"), "no-inspector": ("true", "true"), "rate-limit": ("7", "7"),
            "max-connections": ("11", "11"), "max-header-bytes": ("2000", "2000"), "request-timeout": ("13", "13"),
        ].merging(Self.texts) { first, _ in first }.merging(Self.running) { first, _ in first }
        #expect(Set(values.keys) == Set(ServerConfiguration.keys.map(\.name)))
        let options = values.flatMap { Self.flags.contains($0.key) ? ["--\($0.key)"] : ["--\($0.key)", $0.value.text] }
        let environment = Dictionary(
            uniqueKeysWithValues: values.map {
                ("MILEPOST_" + $0.key.uppercased().replacing("-", with: "_"), $0.value.text)
            }
        )
        let file = "{" + values.map { "\"\($0.key)\":\($0.value.json)" }.joined(separator: ",") + "}"
        try await withFile(file) { path in
            let sources = [
                try await read(options), try await read(environment: environment), try await read(["--config", path]),
                try await read(environment: ["MILEPOST_CONFIG": path]),
            ]
            for configuration in sources {
                #expect(configuration.host == "::1")
                #expect(configuration.port == 8_000)
                #expect(configuration.store == .postgres(try ConnectionString(url, password: "secret")))
                #expect(
                    configuration.encryption == EncryptionConfiguration(keysFile: "k.json", keysCommand: "echo"))
                #expect(configuration.limits.bodyBytes == 1_000)
                #expect(configuration.limits.inFlightBytes == 1_500)
                #expect(configuration.logLevel == .debug)
                #expect(configuration.logFormat == .text)
                #expect(configuration.limits.refusesPickle)
                #expect(configuration.connections.connections == 11)
                #expect(configuration.connections.headerBytes == 2_000)
                #expect(configuration.connections.request.nanoseconds == 13_000_000_000)
                #expect(configuration.access == Self.access)
                expectRunning(configuration)
                let tls = try #require(configuration.tls)
                #expect(tls.certificateFile == "text of tls-certificate-file")
                #expect(tls.keyFile == "text of tls-key-file")
                #expect(tls.clientCAFile == "text of tls-client-ca-file")
            }
        }
    }

    private static let flags: Set = ["refuse-pickle", "insecure-allow-open", "behind-tls-proxy", "no-inspector"]

    /// The keys whose value may be any text.
    private static let texts = Dictionary(
        uniqueKeysWithValues: [
            "api-keys-file", "jwt-jwks", "jwt-issuer", "jwt-audience", "jwt-algorithms", "jwt-tenant-claim",
            "jwt-scopes-claim", "client-certificates-file", "agentex-auth-url", "audit-log", "tls-certificate-file",
            "tls-key-file", "tls-client-ca-file",
        ].map { ($0, (text: "text of \($0)", json: "\"text of \($0)\"")) }
    )

    private static var access: AccessConfiguration? {
        let values = texts.mapValues { ConfigValue(.string($0.text), isSecret: false) }
        var all = Dictionary(uniqueKeysWithValues: values.map { (AbsoluteConfigKey([$0.key]), $0.value) })
        all[["rate-limit"]] = 7
        all[["insecure-allow-open"]] = true
        all[["behind-tls-proxy"]] = true
        all[["no-inspector"]] = true
        // What cannot be read is no configuration, and not equal to any.
        return try? AccessConfiguration(ConfigReader(provider: InMemoryProvider(values: all)))
    }

    @Test(
        "a value that cannot be used is an error that names it",
        arguments: [
            (["--port", "65536"], "65536"), (["--port=-1"], "-1"), (["--store", "redis:x"], "redis:x"),
            (["--store", "sqlite:"], "no path"), (["--max-body-bytes", "0"], "max-body-bytes"),
            (["--max-body-bytes", "536870913"], "from 1 to 536870912"),
            (["--max-body-bytes", String(Int.max)], "from 1 to 536870912"),
            (["--max-in-flight-bytes", "0"], "max-in-flight-bytes"), (["--log-level", "loud"], "loud"),
            (["--log-format", "xml"], "xml"),
        ]
    )
    func unusable(_ arguments: [String], _ named: String) async {
        #expect(await usageError(arguments)?.contains(named) == true)
    }

    @Test("a value of the wrong type in the environment is an error, not the default")
    func wrongType() async {
        #expect(await usageError(environment: ["MILEPOST_PORT": "abc"])?.contains("'port'") == true)
        for key in ["max-body-bytes", "max-in-flight-bytes"] {
            let variable = "MILEPOST_" + key.uppercased().replacing("-", with: "_")
            #expect(await usageError(environment: [variable: "1 MiB"])?.contains(key) == true)
        }
    }

    @Test(
        "the bodies in flight may be two of the largest unless told otherwise, and never less than one",
        arguments: [
            (["--max-body-bytes", "1"], 134_217_728), (["--max-body-bytes", "67108865"], 134_217_730),
            (["--max-body-bytes", "1000", "--max-in-flight-bytes", "1000"], 1_000),
            (["--max-body-bytes", "134217728", "--max-in-flight-bytes", "134217728"], 134_217_728),
            (["--max-body-bytes", "536870912"], 1_073_741_824),
        ]
    )
    func inFlight(_ arguments: [String], _ bytes: Int) async throws {
        #expect(try await read(arguments).limits.inFlightBytes == bytes)
    }

    @Test("less in flight than one largest body is refused with what to do")
    func tooLittleInFlight() async {
        let error = await usageError(["--max-body-bytes", "1001", "--max-in-flight-bytes", "1000"])
        #expect(
            error
                == "max-in-flight-bytes is 1000, which is less than one body of max-body-bytes (1001); "
                + "give at least that, or a smaller max-body-bytes"
        )
        #expect(await usageError(["--max-in-flight-bytes", "1000"])?.contains("67108864") == true)
    }

    @Test("a host and port are written as in a URL")
    func authority() async throws {
        #expect(try await read().listener.authority(port: 1) == "127.0.0.1:1")
        #expect(try await read(["--host", "::1"]).listener.authority(port: 5_003) == "[::1]:5003")
        #expect(try await read(["--host", "localhost"]).listener.authority(port: 80) == "localhost:80")
    }

    @Test("a file that is missing, is not JSON or has an unknown name is an error")
    func files() async throws {
        #expect(await usageError(["--config", "/nowhere/x.json"])?.contains("/nowhere/x.json") == true)
        try await withFile("port: 1") { #expect(await usageError(["--config", $0])?.contains($0) == true) }
        try await withFile(#"{"prot":1}"#) { #expect(await usageError(["--config", $0])?.contains("'prot'") == true) }
        try await withFile(#"{"port":"x"}"#) { #expect(await usageError(["--config", $0])?.contains("port") == true) }
    }

    @Test("the documentation lists exactly the keys that are read")
    func documentation() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(contentsOf: root.appending(path: "docs/configuration.md"), encoding: .utf8)
        let options = page.matches(of: /`--([a-z-]+)`/).map { String($0.1) }
        #expect(Set(options) == Set(ServerConfiguration.keys.map(\.name) + ["config"]))
        let variables = page.matches(of: /`MILEPOST_([A-Z_]+)`/).map { $0.1.lowercased().replacing("_", with: "-") }
        #expect(Set(variables) == Set(options))
    }

    @Test("a traces-url that is none is a usage error that shows nothing of it")
    func tracesURL() async throws {
        for url in ["collector:4318", "ftp://x:secret@y", "http://u:secret@", "http://x/#secret"] {
            let error = await usageError(["--traces-url", url])
            #expect(error?.hasPrefix("traces-url ") == true && error?.contains("secret") == false)
        }
        let url = try await read(["--traces-url", "http://u:secret@[::1]:4318"]).observation.tracesURL
        #expect(url?.description == "http://[::1]:4318/v1/traces")
        #expect(try await read().observation.tracesURL == nil)
    }
}
