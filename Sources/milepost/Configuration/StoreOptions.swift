import ArgumentParser

/// The options of a command that works on a store.
struct StoreOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The store: sqlite:PATH, or postgresql://USER@HOST/DATABASE and any other libpq connection string (default: \
            MILEPOST_STORE, else sqlite:milepost.db).
            """,
            valueName: "url"
        )
    )
    var store: String?

    @Option(help: ArgumentHelp("File that holds the password of the PostgreSQL user.", valueName: "path"))
    var storePasswordFile: String?

    /// The store that a server started in this environment would open, unless another is given.
    func read() async throws -> StoreConfiguration {
        try await ServerConfiguration.readStore(store, passwordFile: storePasswordFile)
    }
}
