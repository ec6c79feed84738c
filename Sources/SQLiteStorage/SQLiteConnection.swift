import Checkpoints
import GRDB
import Glibc

/// Opens the connections of a store with the settings that its promise rests on.
enum SQLiteConnection {
    /// Bytes of a page: a blob of a few KiB fits beside its row.
    ///
    /// Fixed when a file is made.
    private static let pageBytes = 4_096
    /// Bytes of the write-ahead log that are not given back to the file system.
    private static let logBytes = 16 << 20
    /// Pages the writer keeps in memory at most: those that the next changes will touch again.
    private static let writerCacheKibibytes = 32_768

    /// Opens the writer's connection: makes sure the file is there, readable by this user alone, and Milepost's, and
    /// brings its layout up to date.
    static func writer(path: String) throws -> DatabaseQueue {
        try createFile(at: path)
        do {
            try inspect(path)
            let queue = try DatabaseQueue(path: path, configuration: writerConfiguration())
            try queue.writeWithoutTransaction(requireFullDurability)
            try SQLiteSchema.migrator.migrate(queue)
            if let damage = try queue.read(SQLiteSchema.damage).first {
                throw StoreOpenError(damage: damage, path: path)
            }
            return queue
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        } catch let error as StoreError {
            throw StoreOpenError(
                .corrupt,
                "\(path) is damaged (\(error.detail))",
                hint: "restore it from a backup, or start it with the version that wrote it and delete the thread"
            )
        }
    }

    /// SQLite would create it with the process's umask; its log and index files then take the mode of this one.
    static func createFile(at path: String) throws(StoreOpenError) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notAccessible(path, systemError: errno)
        }
        close(descriptor)
    }

    /// Refuses a file that is no database, not ours, or newer than we are, before anything is changed.
    ///
    /// Closing the connection moves what is in the log into the file, so the log is made durable before that.
    private static func inspect(_ path: String) throws {
        let queue = try DatabaseQueue(path: path)
        let isOurs = try queue.read { db in
            let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            // The migrator makes its table before the first migration: a first start that was killed leaves that alone.
            let tables =
                try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_master WHERE tbl_name <> 'grdb_migrations'") ?? 0
            guard SQLiteSchema.encryptionState(id) != nil || (id == 0 && tables == 0) else {
                throw StoreOpenError(
                    .foreign,
                    "\(path) is a database of another program",
                    hint: "give --store a path of its own"
                )
            }
            guard try !SQLiteSchema.migrator.hasBeenSuperseded(db) else {
                throw StoreOpenError(
                    .newerSchema,
                    "\(path) was written by a newer version of milepost",
                    hint: "start it with that version, or restore a backup made before the upgrade"
                )
            }
            return id != 0
        }
        if isOurs { try RecoveredLog.flush(path) }
        try queue.close()
    }

    /// Opens a connection that can only read, and so never checkpoints the log.
    static func reader(path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.label = "milepost.reader"
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func writerConfiguration() -> Configuration {
        var configuration = Configuration()
        configuration.label = "milepost.writer"
        configuration.journalMode = .wal
        configuration.foreignKeysEnabled = false
        configuration.busyMode = .timeout(5)
        configuration.prepareDatabase { db in
            StatementPoints.watch(db)
            // These two only take effect while the file is empty.
            try db.execute(sql: "PRAGMA page_size = \(pageBytes)")
            try db.execute(sql: "PRAGMA auto_vacuum = INCREMENTAL")
            // GRDB does it too, but reads the answer only, and SQLite answers "wal" before it has committed that: where
            // the commit fails, the file stays in rollback mode, whose commits a loss of power may undo.
            try db.execute(sql: "PRAGMA journal_mode = WAL")
            // What the log grew to is given back once it begins anew.
            try db.execute(sql: "PRAGMA journal_size_limit = \(logBytes)")
            // What is deleted is overwritten, not only unlinked: deleting a thread leaves nothing in the file.
            try db.execute(sql: "PRAGMA secure_delete = ON")
            try db.execute(sql: "PRAGMA cache_size = -\(writerCacheKibibytes)")
        }
        return configuration
    }

    /// GRDB turns WAL on with `synchronous = NORMAL`, which may lose the last commits with the power.
    ///
    /// Set it after that, and read it back: a store that is not durable must not start.
    /// https://www.sqlite.org/pragma.html#pragma_synchronous
    private static func requireFullDurability(_ db: Database) throws {
        try db.execute(sql: "PRAGMA synchronous = FULL")
        let level = try Int.fetchOne(db, sql: "PRAGMA synchronous")
        precondition(level == 2, "SQLite did not take synchronous = FULL")
    }
}

extension StoreOpenError {
    /// A value that the layout does not allow: GRDB cannot take it as what it has to be.
    init(_ error: RowDecodingError, path: String) {
        self.init(damage: "\(error)", path: path)
    }

    init(damage: String, path: String) {
        self.init(
            .corrupt,
            "\(path) is damaged (\(damage))",
            hint: "restore it from a backup, or give --store another path"
        )
    }

    init(_ error: DatabaseError, path: String) {
        let words = error.message ?? "SQLite error \(error.resultCode.rawValue)"
        switch error.resultCode {
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            self.init(
                .corrupt,
                "\(path) is damaged or is not a database (\(words))",
                hint: "restore it from a backup, or give --store another path"
            )
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            self.init(
                .locked,
                "\(path) is in use by another program (\(words))",
                hint: "close that program, or give this one another --store"
            )
        default:
            self.init(
                .notAccessible,
                "cannot open \(path): \(words)",
                hint: "check the file's owner and mode, and the space left on its disk"
            )
        }
    }
}
