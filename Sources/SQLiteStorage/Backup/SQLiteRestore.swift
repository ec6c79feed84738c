package import Checkpoints
import GRDB
import Glibc
import Synchronization

/// Puts a backup in the place of a store.
///
/// A crash between any two steps leaves either the old store or the new one, whole, and never the old store's log beside
/// the new file: SQLite would take that in, whatever file it belongs to
/// (https://sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use). In this order:
///
/// 1. `copy`: the backup is copied to `PATH.restoring` and flushed. Its checksum is of the bytes that were copied.
/// 2. `verify`: a file of an earlier layout is brought up to date; every digest in it is looked at. Until here nothing of the old store was touched.
/// 3. `replace`:
///    1. `settled`: what the old log has is moved into the old file, by SQLite, and the log is gone. Two files cannot be
///       replaced at once; one can. An old file that SQLite cannot open any more has its log renamed instead.
///    2. `kept`: the old file gets a second name, `PATH.before-restore`. Both names are the old store.
///    3. `replaced`: `PATH.restoring` is renamed to `PATH`. This is the moment.
///
/// Each is flushed before the next begins. The store's lock is held from `init` until this value goes.
package final class SQLiteRestore: Sendable {
    /// What has been done, in this order.
    package enum Step: Sendable, CaseIterable {
        case copied
        case verified
        case settled
        case kept
        case replaced
    }

    private static let logSuffixes = ["-wal", "-shm"]
    private static let lockSuffix = ".lock"

    /// The old store, once there is another one.
    package let kept: String
    /// The new one, until it is.
    package let restoring: String
    /// What a restore that was ended had left, and is gone now; each a sentence.
    package let leftovers: [String]
    private let backup: String
    private let path: String
    private let lock: Mutex<StoreLock?>

    /// Takes the lock of the store at `path` and refuses what must not be replaced, or cannot be.
    ///
    /// `replaces` says that there may be a store.
    package init(_ backup: String, to path: String, replaces: Bool) throws(StoreOpenError) {
        let path = SQLiteStore.resolved(path)
        (self.backup, self.path) = (backup, path)
        kept = path + ".before-restore"
        restoring = path + ".restoring"
        try Self.refuse(backup, path, replaces: replaces)
        let lock = try StoreLock(for: path)
        leftovers = try Self.removeLeftovers(path, kept, restoring)
        self.lock = Mutex(consume lock)
    }

    private static func refuse(_ backup: String, _ path: String, replaces: Bool) throws(StoreOpenError) {
        guard let source = Durable.status(backup) else { throw .failed("open \(backup)") }
        guard source.st_mode & S_IFMT == S_IFREG else {
            throw StoreOpenError(
                .notAccessible, "\(backup) is not a file", hint: "name a file that 'milepost backup' made")
        }
        if let log = Durable.status(backup + "-wal"), log.st_size > 0 {
            throw StoreOpenError(
                .notAccessible, "\(backup) has a log beside it, so it is no backup but a store that was in use",
                hint: "make a backup of it with 'milepost backup --store sqlite:\(backup) DEST' and restore that"
            )
        }
        guard Durable.exists(path) else { return }
        guard !Durable.isSame(path, backup) else {
            throw StoreOpenError(.notAccessible, "\(backup) is the store itself", hint: "name a backup of it")
        }
        guard replaces else {
            throw StoreOpenError(
                .notAccessible, "there is a store at \(path)",
                hint: "give --replace to put the backup in its place; it is kept as \(path).before-restore"
            )
        }
    }

    /// A second name of the store as it is now was given by a restore that was ended; anything else is the operator's.
    private static func removeLeftovers(
        _ path: String, _ kept: String, _ restoring: String
    ) throws(StoreOpenError) -> [String] {
        var removed: [String] = []
        if Durable.exists(kept) {
            guard Durable.isSame(kept, path) else {
                throw StoreOpenError(
                    .notAccessible, "\(kept) is there: an earlier restore kept that store",
                    hint: "move it elsewhere, or delete it when it is not needed any more"
                )
            }
            try Durable.remove(kept)
            removed.append("\(kept), a second name that a restore that was ended gave to the store")
        }
        for suffix in ["", "-journal", lockSuffix] + logSuffixes
        where try Durable.remove(restoring + suffix) && suffix.isEmpty {
            removed.append("\(restoring), which a restore that was ended left")
        }
        return removed
    }

    // MARK: - Steps

    /// Copies the backup, and compares it with `expected`.
    package func copy(expecting expected: Checksum?, _ report: (Int) throws -> Void = { _ in }) throws {
        try SQLiteConnection.createFile(at: restoring)
        let found = try Checksum.copying(backup, to: restoring, report)
        if let expected, expected != found {
            throw StoreOpenError(
                .corrupt, "\(backup) is not what was backed up: its SHA-256 is \(found.digits)",
                hint: "copy it again from where it was made, or restore another backup"
            )
        }
        try Self.wording(restoring, backup) { _ = try Self.isCurrent(restoring) }
    }

    /// False for an earlier layout; throws for what is no store, or one of a later layout.
    private static func isCurrent(_ path: String) throws -> Bool {
        do {
            try SQLiteStore.requireCurrentLayout(path, to: "restore")
            return true
        } catch let error as StoreOpenError where error.kind == .olderSchema {
            return false
        }
    }

    /// Looks at everything in what was copied, after it was brought to the layout of today.
    package func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws -> StoreVerification {
        if try !Self.isCurrent(restoring) {
            let store = try SQLiteStore(path: restoring)
            await store.close()
            try Durable.remove(restoring + Self.lockSuffix)
        }
        let found = try await SQLiteStore.verify(path: restoring, report)
        // Of a copy that is not in rollback mode.
        for suffix in Self.logSuffixes { try Durable.remove(restoring + suffix) }
        return found
    }

    /// Puts it in the store's place; `reached` is called after each step.
    package func replace(reached: (Step) throws -> Void = { _ in }) throws {
        let old = Durable.status(path)
        try settleLog(isThere: old != nil)
        try reached(.settled)
        if let old {
            try Durable.link(path, to: kept)
            // The server's user stays the one that may open it.
            if chown(restoring, old.st_uid, old.st_gid) != 0, geteuid() == 0 {
                throw StoreOpenError.failed("give \(restoring) to the owner of \(path)")
            }
        }
        try reached(.kept)
        try Durable.rename(restoring, to: path)
        try reached(.replaced)
    }

    /// The log of the old store goes into its file; nothing that could be taken for the new file's log stays.
    private func settleLog(isThere: Bool) throws {
        let log = path + "-wal"
        if let status = Durable.status(log), status.st_size > 0 {
            let isSettled = try isThere && foldLog()
            // SQLite removes one in which it finds nothing, whatever the file is.
            if !isSettled && Durable.exists(log) { try Durable.rename(log, to: kept + "-wal") }
        }
        for suffix in Self.logSuffixes { try Durable.remove(path + suffix) }
    }

    /// Whether SQLite has moved the log into the file: not when that is damaged beyond opening.
    private func foldLog() throws -> Bool {
        do {
            var configuration = Configuration()
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { StatementPoints.watch($0) }
            let database = try DatabaseQueue(path: path, configuration: configuration)
            let isBusy = try database.writeWithoutTransaction { db in
                try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(TRUNCATE)")?["busy"] as Int? != 0
            }
            try database.close()
            guard !isBusy else { throw inUse }
            return true
        } catch let error as DatabaseError {
            switch error.resultCode {
            case .SQLITE_NOTADB, .SQLITE_CORRUPT: return false
            case .SQLITE_BUSY, .SQLITE_LOCKED: throw inUse
            default: throw StoreOpenError(error, path: path)
            }
        }
    }

    private var inUse: StoreOpenError {
        StoreOpenError(
            .locked, "\(path) is being read by another program",
            hint: "end that one (an export, a backup or a verify), and restore again"
        )
    }

    /// Names the file that the operator named.
    private static func wording(_ copy: String, _ backup: String, _ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error as StoreOpenError {
            func named(_ text: String) -> String { text.replacing(copy, with: backup) }
            throw StoreOpenError(error.kind, named(error.problem), hint: named(error.hint))
        } catch let error as DatabaseError {
            let failure = StoreOpenError(error, path: backup)
            throw StoreOpenError(failure.kind, failure.problem, hint: "name a file that 'milepost backup' made")
        }
    }
}
