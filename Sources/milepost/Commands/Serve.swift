import ArgumentParser

/// `milepost serve`: reads the configuration and runs the server.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Start the server.",
        discussion: """
            Every option can also be set in the environment, as MILEPOST_ and its name (MILEPOST_PORT=5003), and in a \
            JSON file named by --config ({"port": 5003}). The command line counts first, then the environment, then \
            the file.

            Ctrl-C or SIGTERM ends the server; requests in flight get up to 10 seconds.

            EXAMPLES
              milepost serve
                  on 127.0.0.1:5003, in ./milepost.db
              milepost serve --store sqlite:/var/lib/milepost/agents.db
                  in another file
              milepost serve --store postgresql://milepost@db.internal/agents
                  in PostgreSQL, also beside other servers and LangGraph's own savers
              milepost serve --store memory: --port 8000
                  nothing is kept when it ends
            """
    )

    @OptionGroup var options: ServerOptions

    func run() async throws {
        let configuration = try await ServerConfiguration.read(options)
        try await Server(configuration).run()
    }
}
