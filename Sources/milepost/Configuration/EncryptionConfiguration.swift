import Encryption

/// Where the keys of a store are; nowhere when its values are not encrypted.
struct EncryptionConfiguration: Hashable {
    /// Empty when it was not given.
    let keysFile: String
    /// What `/bin/sh -c` runs instead; empty when it was not given.
    let keysCommand: String

    /// Nil without encryption.
    ///
    /// Blocks while a command runs.
    func read() throws(StartError) -> EncryptionKeys? {
        guard keysFile.isEmpty || keysCommand.isEmpty else {
            throw .usage("encryption-keys-file and encryption-keys-command are both set; leave one out")
        }
        do {
            if !keysFile.isEmpty { return try EncryptionKeys(file: keysFile) }
            if !keysCommand.isEmpty { return try EncryptionKeys(command: keysCommand) }
            return nil
        } catch {
            throw .machine(error.description)
        }
    }
}
