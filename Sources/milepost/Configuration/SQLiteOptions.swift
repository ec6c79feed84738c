import ArgumentParser

/// The option of a command that works on the file of a store, and not on what is in it.
struct SQLiteOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The store: sqlite:PATH (default: MILEPOST_STORE, else sqlite:milepost.db).", valueName: "url")
    )
    var store: String?

    /// Where the file is; `instead` says what to do about a store that is none.
    func path(instead: (_ store: String, _ isPostgres: Bool) -> String) async throws -> String {
        let store = try await ServerConfiguration.readStore(store)
        switch store {
        case .sqlite(let path): return path
        case .memory: throw StartError.usage(instead(store.description, false))
        case .postgres: throw StartError.usage(instead(store.description, true))
        }
    }
}
