import ArgumentParser
import Authentication
import Checkpoints
import JSON
import SQLiteStorage

/// `milepost restore`: puts a backup in the place of an SQLite store.
struct Restore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Put a backup in the place of an SQLite store.",
        discussion: """
            Copies BACKUP beside the store, compares it with BACKUP.sha256 and looks at every digest in it. Only then the \
            copy takes the store's place, in one step; the store that was there is kept as PATH.before-restore. No server \
            may have the store open. BACKUP stays as it is.

            A store that was encrypted needs its keys afterwards as before: they are not in the backup.

            Exit codes: 0 done, 2 the backup is damaged, 1 it is not what was backed up, is no store of this version, or \
            the store could not be replaced, 64 wrong usage. Ctrl-C leaves the store as it was.

            EXAMPLES
              milepost restore --store sqlite:/var/lib/milepost/agents.db --replace /backup/agents-2026-11-26.db
                  with the server stopped
              milepost restore --store sqlite:drill.db /backup/agents-2026-11-26.db
                  beside it, as a drill: then 'milepost serve --store sqlite:drill.db --port 5004'
            """
    )

    @OptionGroup var options: SQLiteOptions
    @OptionGroup var audit: AuditOption

    @Argument(help: ArgumentHelp("The file that 'milepost backup' made.", valueName: "backup"))
    var backup: String

    @Flag(help: "Replace the store that is there, and keep it as PATH.before-restore.")
    var replace = false

    @Flag(help: "Restore a file that has no BACKUP.sha256 beside it.")
    var withoutChecksum = false

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        let path = try await options.path { store, isPostgres in
            isPostgres
                ? "\(store) is restored by PostgreSQL's own programs, pg_restore or a base backup; "
                    + "'milepost import' reads what 'milepost export' wrote"
                : "\(store) ends with its server; use sqlite:PATH"
        }
        let line = ProgressLine(.standardError(json: json))
        let interruption = Interruption(line, "the store is as it was")
        defer { interruption.end() }
        defer { line.end() }
        do {
            let checksum = try Checksum(besides: backup)
            guard checksum != nil || withoutChecksum else {
                throw StartError.machine(
                    "there is no \(backup)\(Checksum.suffix); copy it from where the backup was made, "
                        + "or give --without-checksum"
                )
            }
            let restore = try SQLiteRestore(backup, to: path, replaces: replace)
            for leftover in restore.leftovers { Output.note("removed \(leftover)") }
            for suffix in ["", "-journal", "-wal", "-shm", ".lock"] { interruption.begin(restore.restoring + suffix) }
            try audit.write(.restore, .begun, "of sqlite:\(path)")
            let size = Durable.size(backup) ?? 0
            try restore.copy(expecting: checksum) { bytes in
                line.show("copied", fraction: Double(bytes) / Double(max(size, 1)))
            }
            let found = try await restore.verify { progress in
                line.show("verified: " + progress.line, fraction: progress.fraction)
            }
            line.end()
            guard found.damage.isEmpty else { throw try refuse(found, path) }
            let isKept = Durable.exists(path)
            try interruption.finish(restore.restoring, "the backup is in the store's place") { try restore.replace() }
            try audit.write(.restore, .done, "of sqlite:\(path)")
            report(path, found, size, kept: isKept ? restore.kept : nil)
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        } catch let error as StoreError {
            throw StartError.machine("\(error.debugDescription) in the backup; check its disk, and try again")
        }
    }

    private func refuse(_ found: StoreVerification, _ path: String) throws -> ExitCode {
        try audit.write(.restore, .failed, "of sqlite:\(path): the backup is damaged")
        for damage in found.damage { Output.line(damage.description) }
        Output.note(
            "milepost: \(backup) is damaged, and the store is as it was; restore another backup, or take what is sound: "
                + "'milepost export --store sqlite:\(backup)' leaves damaged threads out"
        )
        return Verify.damaged
    }

    private func report(_ path: String, _ found: StoreVerification, _ bytes: Int, kept: String?) {
        if json {
            Output.json([
                "store": .string(JSONString("sqlite:\(path)")),
                "backup": .string(JSONString(backup)),
                "threads": .number(JSONNumber(found.checked.threads)),
                "bytes": .number(JSONNumber(bytes)),
                "kept": kept.map { .string(JSONString($0)) } ?? .null,
            ])
            return
        }
        Output.line("restored \(found.checked.threads.grouped) threads, \((bytes / 1_000).grouped) kB, to \(path)")
        if let kept { Output.line("the store that was there is \(kept); delete it when it is not needed any more") }
    }
}
