import ArgumentParser
import Configuration
import MilepostClient

/// The options of a command that asks a server.
struct RemoteOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The server, when its URL is not the first argument (default: MILEPOST_URL, else http://127.0.0.1:5003).",
            valueName: "url"
        )
    )
    var url: String?

    @Option(
        help: ArgumentHelp("File that holds the API key (default: MILEPOST_API_KEY, else none).", valueName: "path")
    )
    var apiKeyFile: String?

    @Option(help: ArgumentHelp("How long one call to the server may take.", valueName: "seconds"))
    var timeout: Int = 60

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    /// The server, and the arguments after its URL.
    ///
    /// The first argument is the URL when it begins as one, unless `--url` has been given: then none is.
    func read(
        _ arguments: [String],
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) throws -> (server: RemoteServer, rest: [String]) {
        let isURL = url == nil && arguments.first.map(RemoteServer.isURL) ?? false
        let config = ConfigReader(provider: environment.prefixKeys(with: "milepost"))
        let address = RemoteServer.address(url ?? (isURL ? arguments.first : nil), environment: environment)
        let key =
            try apiKeyFile.map { path throws(StartError) in
                try SecretFile.read(path, what: "API key", option: "--api-key-file")
            } ?? config.string(forKey: "api-key", isSecret: true)
        guard timeout > 0 else { throw StartError.usage("--timeout is \(timeout); give seconds, 1 or more") }
        let server = try RemoteServer(
            url: address,
            apiKey: key.flatMap { $0.isEmpty ? nil : $0 },
            timeout: timeout
        )
        return (server, isURL ? Array(arguments.dropFirst()) : arguments)
    }
}

/// A server that is asked, and the sentences for when it does not answer.
struct RemoteServer {
    static let standard = "http://127.0.0.1:5003"

    let url: String
    private let apiKey: String?
    private let timeout: Int

    /// What was given, else `MILEPOST_URL`, else where a server is when nothing else was said.
    static func address(
        _ given: String?,
        environment: EnvironmentVariablesProvider = EnvironmentVariablesProvider()
    ) -> String {
        let config = ConfigReader(provider: environment.prefixKeys(with: "milepost"))
        return given ?? config.string(forKey: "url").flatMap { $0.isEmpty ? nil : $0 } ?? standard
    }

    static func isURL(_ text: String) -> Bool {
        text.hasPrefix("http://") || text.hasPrefix("https://")
    }

    init(url: String, apiKey: String?, timeout: Int) throws(StartError) {
        guard Self.isURL(url), !url.contains("@"), !url.contains("?"), !url.contains("#") else {
            // It may have a password in it.
            let shown = url.contains("@") ? "with a user or a password" : "'\(TerminalText.escaped(url))'"
            throw .usage("\(shown) is not the URL of a server; give one such as \(Self.standard), and --api-key-file")
        }
        if let apiKey, !apiKey.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            throw .usage("the API key has characters that no key has; check --api-key-file, or MILEPOST_API_KEY")
        }
        (self.url, self.apiKey, self.timeout) = (url, apiKey, timeout)
    }

    /// Calls `body` with a client; what goes wrong becomes a sentence that says what to do.
    func ask<Value: Sendable>(_ body: (MilepostClient) async throws -> Value) async throws -> Value {
        do {
            return try await MilepostClient.with(url: url, apiKey: apiKey, timeout: .seconds(timeout), body)
        } catch let error as MilepostClientError {
            throw error.kind == .badURL ? StartError.usage(sentence(for: error)) : .machine(sentence(for: error))
        }
    }

    func sentence(for error: MilepostClientError) -> String {
        let server = TerminalText.escaped(url)
        let words = TerminalText.escaped(error.message)
        let status = error.status.map { ", status \($0)" } ?? ""
        return switch error.kind {
        case .badURL: "\(server) is not the URL of a server; give one such as \(Self.standard)"
        case .unreachable:
            "cannot reach \(server) (\(words)); is the server running? 'milepost serve' starts one, "
                + "--url or MILEPOST_URL names another"
        case .timedOut: "\(server) gave no answer within \(timeout) s; try again, or give a longer --timeout"
        case .unauthorized:
            "\(server) takes no call with \(apiKey == nil ? "no" : "this") API key (\(words)); "
                + "give --api-key-file, or set MILEPOST_API_KEY"
        case .forbidden: "\(server) does not allow that (\(words)); use an API key that may read the thread"
        case .notFound:
            "\(server) has no such call (\(words)); check that it is a Milepost server, of this version or a later one"
        case .conflict, .refused: "\(server) refused the call (\(words)\(status)); check what was given"
        case .tooLarge: "that is too large (\(words)); ask for less at once"
        case .overloaded: "\(server) cannot answer now (\(words)); try again in a moment"
        case .failed: "\(server) failed (\(words)\(status)); its log says why"
        case .notUnderstood: "\(server) does not answer as a Milepost server (\(words)\(status)); check the URL"
        }
    }
}
