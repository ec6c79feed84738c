import ArgumentParser
import MilepostClient

/// `milepost health`: asks a server whether it is well, for a container's health check.
struct Health: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask a server whether it takes changes.",
        discussion: """
            For health checks of containers and scripts: asks /readyz, which makes the server write a probe to its store, \
            or /healthz with --live. Needs no API key. Prints nothing when all is well, otherwise one line.

            Exit codes: 0 the server is well, 1 it is not or gives no answer, 64 wrong usage.

            EXAMPLES
              milepost health
                  http://127.0.0.1:5003
              milepost health --url http://127.0.0.1:8000 --live
                  only whether the process answers
            """
    )

    @Option(
        help: ArgumentHelp("The server (default: MILEPOST_URL, else http://127.0.0.1:5003).", valueName: "url")
    )
    var url: String?

    @Flag(help: "Ask only whether the process answers, not whether its store takes changes.")
    var live = false

    @Option(help: ArgumentHelp("How long the answer may take.", valueName: "seconds"))
    var timeout: Int = 2

    func run() async throws {
        guard timeout > 0 else { throw StartError.usage("--timeout is \(timeout); give seconds, 1 or more") }
        let isLive = live
        let server = try RemoteServer(url: RemoteServer.address(url), apiKey: nil, timeout: timeout)
        try await server.ask { client in
            if isLive { try await client.checkHealth() } else { try await client.checkReadiness() }
        }
    }
}
