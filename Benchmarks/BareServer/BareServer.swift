import Hummingbird
import Logging

/// The yardstick of `make bench`: a Hummingbird server that collects the body and answers 204, and nothing else.
@main
struct BareServer {
    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 5_004
        let router = Router()
        router.on("/**", method: .post) { request, _ in
            _ = try await request.body.collect(upTo: 64 * 1_024 * 1_024)
            return Response(status: .noContent)
        }
        var logger = Logger(label: "bare")
        logger.logLevel = .warning
        let application = Application(
            router: router,
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port)),
            logger: logger
        )
        try await application.runService()
    }
}
