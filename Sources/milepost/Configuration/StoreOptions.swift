import ArgumentParser
import Encryption

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

    @Option(help: ArgumentHelp("File that holds the keys that values are encrypted with.", valueName: "path"))
    var encryptionKeysFile: String?

    @Option(help: ArgumentHelp("Command that prints those keys, instead of a file.", valueName: "command"))
    var encryptionKeysCommand: String?

    /// The store that a server started in this environment would open, unless another is given.
    func read() async throws -> StoreConfiguration {
        try await ServerConfiguration.readStore(store, passwordFile: storePasswordFile)
    }

    /// The keys that its values are encrypted with; nil when none are given.
    func readKeys() async throws -> EncryptionKeys? {
        try await ServerConfiguration.readEncryption(keysFile: encryptionKeysFile, keysCommand: encryptionKeysCommand)
            .read()
    }
}
