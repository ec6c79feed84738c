import ArgumentParser
import Authentication

/// `milepost keys revoke`: ends keys.
struct KeysRevoke: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "End keys, for ever.",
        discussion: """
            Servers that have the file refuse them within 2 seconds. They stay in the list as revoked. When one of the \
            ids is not there, none is revoked.
            """
    )

    @OptionGroup var keys: KeysFileOption
    @OptionGroup var audit: AuditOption

    @Argument(help: ArgumentHelp("Ids of keys, as 'milepost keys list' shows them.", valueName: "id"))
    var ids: [String]

    func run() throws {
        let file = try keys.file()
        let now = APIKeyTime.now
        let records = try StartError.fromKeyFile { () throws(APIKeyFileError) in try file.revoke(ids, at: now) }
        for record in records {
            guard let revoked = record.revoked else { continue }
            let outcome = revoked == now ? "is revoked; servers refuse it within 2 s" : "was revoked at \(revoked)"
            Output.note("key \(record.id) \(outcome)")
        }
        // Last: that it cannot be written down must not keep a key alive.
        for record in records { try audit.write(.keyRevoked, .done, "key \(record.id) in \(file.path)") }
    }
}
