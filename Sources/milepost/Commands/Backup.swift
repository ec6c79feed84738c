import ArgumentParser
import Authentication
import Checkpoints
import Glibc
import JSON
import SQLiteStorage

/// `milepost backup`: copies an SQLite store, also while a server has it open.
struct Backup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copy an SQLite store while it is in use.",
        discussion: """
            Makes DEST, a store by itself, as the store was at the moment when the command began to read: everything \
            acknowledged before is in it. Then looks at every digest in the copy, and writes DEST.sha256 beside it, which \
            'sha256sum -c' reads too. A server may have the store open and agents may write; the log grows meanwhile. \
            Until the copy is whole and checked it is DEST.partial.

            Encrypted values are copied as they are. The keys are not in the backup: keep them elsewhere.

            Exit codes: 0 done, 2 the store is damaged and there is no backup of it, 1 it could not be read or the copy not \
            be written, 64 wrong usage. Ctrl-C leaves no DEST.

            EXAMPLES
              milepost backup --store sqlite:/var/lib/milepost/agents.db /backup/agents-$(date +%F).db
                  beside the running server
              milepost restore --store sqlite:/var/lib/milepost/agents.db --replace /backup/agents-2026-11-26.db
                  back again, with the server stopped
            """
    )

    @OptionGroup var options: SQLiteOptions
    @OptionGroup var audit: AuditOption

    @Argument(help: ArgumentHelp("The file to make.", valueName: "dest"))
    var destination: String

    @Flag(help: "Replace DEST if it is there, once the new copy is checked.")
    var replace = false

    @Flag(inversion: .prefixedNo, help: "Look at every digest in the copy.")
    var verify = true

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        let path = try await options.path { store, isPostgres in
            isPostgres
                ? "\(store) is backed up by PostgreSQL's own programs: pg_basebackup with WAL archiving, or pg_dump; "
                    + "'milepost export' writes its threads to a file"
                : "\(store) is in its server alone and cannot be backed up; use sqlite:PATH"
        }
        try refuse(path)
        try audit.write(.backup, .begun, "of sqlite:\(path)")
        let line = ProgressLine(.standardError(json: json))
        let interruption = Interruption(line, "there is no \(destination) of this backup, and the store is as it was")
        defer { interruption.end() }
        defer { line.end() }
        do {
            let began = ContinuousClock.now
            let partial = try PartialBackup(destination, interruption)
            if partial.isLeftover {
                Output.note("\(partial.path) is there from a backup that was ended; it is overwritten")
            }
            let copied = try SQLiteBackup.copy(from: path, to: partial.path) { part in
                line.show("copied", fraction: part)
            }
            let damage = try await verified(partial, line)
            guard damage.isEmpty else {
                line.end()
                try audit.write(.backup, .failed, "of sqlite:\(path): it is damaged")
                for damage in damage { Output.line(damage.description) }
                Output.note(
                    "milepost: \(path) is damaged, and \(destination) was not made; 'milepost verify' says the same of the "
                        + "store, --no-verify copies it as it is"
                )
                throw Verify.damaged
            }
            let checksum = try Checksum(of: partial.path) { bytes in
                line.show("read again for its SHA-256", fraction: Double(bytes) / Double(max(copied.bytes, 1)))
            }
            try partial.finish(checksum)
            line.end()
            try audit.write(.backup, .done, "of sqlite:\(path)")
            report(path, copied, checksum, ContinuousClock.now - began)
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        } catch let error as StoreError {
            throw StartError.machine("\(error.debugDescription) in the copy; check its disk, and try again")
        }
    }

    private func refuse(_ path: String) throws(StartError) {
        guard destination != "-" else {
            throw .usage("a backup is not written to standard output; name a file")
        }
        guard !Durable.isSame(path, destination) else {
            throw .usage("\(destination) is the store itself; name another file")
        }
        guard replace || !Durable.exists(destination) else {
            throw .machine("\(destination) is there; name another file, or give --replace")
        }
    }

    private func verified(_ partial: PartialBackup, _ line: ProgressLine) async throws -> [StoreDamage] {
        guard verify else { return [] }
        return try await SQLiteStore.verify(path: partial.path) { progress in
            line.show("verified: " + progress.line, fraction: progress.fraction)
        }.damage
    }

    private func report(
        _ path: String,
        _ copied: SQLiteBackup.Summary,
        _ checksum: Checksum,
        _ duration: Duration
    ) {
        let milliseconds = Int(duration / .milliseconds(1))
        if json {
            Output.json([
                "store": .string(JSONString("sqlite:\(path)")),
                "backup": .string(JSONString(destination)),
                "threads": .number(JSONNumber(copied.threads)),
                "bytes": .number(JSONNumber(copied.bytes)),
                "sha256": .string(JSONString(checksum.digits)),
                "verified": .bool(verify),
                "milliseconds": .number(JSONNumber(milliseconds)),
            ])
            return
        }
        let seconds = "\(milliseconds / 1_000).\(milliseconds / 100 % 10) s"
        Output.line(
            "backed up \(copied.threads.grouped) threads, \((copied.bytes / 1_000).grouped) kB, in \(seconds)"
                + "\(verify ? ", and verified them" : ", NOT VERIFIED")"
        )
        Output.line("\(destination) has everything that was acknowledged before the backup began")
    }
}

/// The copy under the name that it has until it is whole.
private final class PartialBackup {
    let path: String
    /// Whether one that was ended had left it.
    let isLeftover: Bool
    private let destination: String
    private let descriptor: Int32
    private let interruption: Interruption

    init(_ destination: String, _ interruption: Interruption) throws {
        path = destination + ".partial"
        self.destination = destination
        self.interruption = interruption
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw StartError.machine(
                "cannot make \(path): \(String(cString: strerror(errno))); "
                    + "name a file in a directory that exists and that this user may write to"
            )
        }
        // For as long as this value lives: two that write one file would make neither's.
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            close(descriptor)
            throw StartError.machine("another backup writes \(path); wait for it, or name another file")
        }
        isLeftover = Durable.size(path) != 0
        for suffix in ["", "-journal", "-wal", "-shm"] { interruption.begin(path + suffix) }
        interruption.begin(destination + Checksum.suffix + ".partial")
        for suffix in ["-journal", "-wal", "-shm"] { try Durable.remove(path + suffix) }
        guard ftruncate(descriptor, 0) == 0, fchmod(descriptor, 0o600) == 0 else {
            throw StartError.machine("cannot write to \(path): \(String(cString: strerror(errno))); name another file")
        }
    }

    deinit {
        close(descriptor)
    }

    /// Gives the copy its name, and puts its checksum beside it.
    ///
    /// An old checksum goes first: at no moment is there one that is of another file.
    func finish(_ checksum: Checksum) throws {
        let checksumPath = destination + Checksum.suffix
        try Durable.write(checksum.line(for: destination), to: checksumPath + ".partial")
        try interruption.finish(path, "\(destination) is whole") {
            try Durable.remove(checksumPath)
            try Durable.rename(path, to: destination)
            try Durable.rename(checksumPath + ".partial", to: checksumPath)
        }
    }
}
