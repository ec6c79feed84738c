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
}
