import Configuration

extension ServerConfiguration {
    /// What a server would be started with, or everything that keeps it from starting.
    struct Reading {
        /// Nil when something is wrong.
        let configuration: ServerConfiguration?
        /// Nil when it cannot be told.
        let store: StoreConfiguration?
        /// Files that hold secrets, by the option that names them.
        let secretFiles: [(option: String, path: String)]
        /// Sentences, in the order of the documentation.
        let problems: [String]
    }

    /// Reads the options as `read` does, but goes on after an error.
    static func readAll(
        _ options: ServerOptions,
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) async -> Reading {
        let config: ConfigReader
        do {
            config = try await sources(options.provider, file: options.config, environment)
        } catch {
            return Reading(configuration: nil, store: nil, secretFiles: [], problems: ["\(error)"])
        }
        var problems: [String] = []
        func attempt<Value>(_ read: (ConfigReader) throws -> Value) -> Value? {
            do {
                return try read(config)
            } catch {
                problems.append("\(error)")
                return nil
            }
        }
        _ = attempt { try $0.number("port", in: 0...65_535) }
        let store = attempt { try Self.store($0) }
        _ = attempt { try Self.encryption($0) }
        _ = attempt { try Self.limits($0) }
        _ = attempt { try Self.connections($0) }
        _ = attempt { try AccessConfiguration($0) }
        _ = attempt { try TLSConfiguration($0) }
        _ = attempt { try RetentionConfiguration($0) }
        _ = attempt { try ObservationConfiguration($0) }
        _ = attempt { try logLevel($0) }
        _ = attempt { try logFormat($0) }
        // What only shows when all values are there: the address and who gets in, for one.
        let configuration = problems.isEmpty ? attempt { try ServerConfiguration($0) } : nil
        let options = ["store-password-file", "encryption-keys-file", "api-keys-file", "tls-key-file"]
        let files = options.compactMap { option in
            config.string(forKey: ConfigKey(option)).flatMap { $0.isEmpty ? nil : (option: option, path: $0) }
        }
        return Reading(configuration: configuration, store: store, secretFiles: files, problems: problems)
    }
}
