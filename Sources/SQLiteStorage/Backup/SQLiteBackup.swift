import Checkpoints
import GRDB
import Glibc

/// Copies a store as it is at one moment, while agents write.
///
/// The source is opened read-only and read in one transaction that is open before the first page is copied. SQLite's
/// online backup begins anew when the source changes between two steps, but only where it has to open a transaction for
/// each step itself: `sqlite3_backup_step` takes the one that is open (https://sqlite.org/src/file?name=src/backup.c),
/// and then its pages are all of one commit. Nothing is moved out of the log and nothing is committed: only the server's
/// writer may do that. While it is read the log is not reset, so it grows by what is written.
package enum SQLiteBackup {
    /// Pages between two reports: some megabytes.
    private static let stepPages: CInt = 1_024

    /// What was copied.
    package struct Summary: Hashable, Sendable {
        package let threads: Int
        package let bytes: Int
    }

    /// Copies the store at `path` over the file at `copy`, which has to be there and empty, and makes it durable.
    ///
    /// The copy has no log: it is a database in rollback mode, which can be read from where nothing can be written. A server
    /// that opens it turns the log on again. Page for page it is what the source is, free pages too: packing it would
    /// cost several times as much, and hold the log for as long.
    ///
    /// Throws `StoreOpenError`. `report` is told the part that is done, and ends the copying by throwing.
    package static func copy(
        from path: String,
        to copy: String,
        _ report: @escaping (Double) throws -> Void = { _ in }
    ) throws -> Summary {
        let source: DatabaseQueue
        do {
            try SQLiteStore.requireCurrentLayout(path, to: "copy")
            source = try SQLiteConnection.reader(path: path)
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        }
        let target: DatabaseQueue
        do {
            target = try DatabaseQueue(path: copy, configuration: targetConfiguration())
        } catch let error as DatabaseError {
            throw StoreOpenError(writing: copy, error)
        }
        do {
            let threads = try source.read { db in
                // The first read is where the transaction begins to see.
                let threads = try Int.fetchOne(db, sql: "SELECT count(*) FROM threads") ?? 0
                try target.writeWithoutTransaction { targetDB in
                    try db.backup(to: targetDB, pagesPerStep: stepPages) { progress in
                        Failpoint.pass("backup copied pages")
                        try report(share(progress))
                    }
                    // The pages say WAL, as the source does: without this the copy could not be read from read-only media.
                    // https://sqlite.org/wal.html#readonly
                    try targetDB.execute(sql: "PRAGMA journal_mode = DELETE")
                }
                return threads
            }
            try source.close()
            try target.close()
            return Summary(threads: threads, bytes: try Durable.flush(copy))
        } catch let error as DatabaseError {
            throw StoreOpenError(writing: copy, error)
        }
    }

    private static func share(_ progress: DatabaseBackupProgress) -> Double {
        progress.totalPageCount == 0 ? 1 : Double(progress.completedPageCount) / Double(progress.totalPageCount)
    }

    /// Until it is whole and flushed nobody reads it.
    private static func targetConfiguration() -> Configuration {
        var configuration = Configuration()
        configuration.label = "milepost.backup"
        configuration.prepareDatabase { db in
            StatementPoints.watch(db)
            try db.execute(sql: "PRAGMA synchronous = OFF")
            try db.execute(sql: "PRAGMA journal_mode = OFF")
        }
        return configuration
    }
}

extension StoreOpenError {
    fileprivate init(writing path: String, _ error: DatabaseError) {
        let words = error.message ?? "SQLite error \(error.resultCode.rawValue)"
        self.init(
            .notAccessible, "cannot copy the store to \(path) (\(words))",
            hint: "check the space left on its disk, and the directory's owner and mode"
        )
    }
}
