import CZstd
package import Checkpoints
import GRDB
import GRDBSQLite

/// What there is to know of a store's file before a server opens it: read-only, also while one has it open.
package struct SQLiteExamination: Sendable {
    /// How its values are kept.
    package let encryption: EncryptionState
    /// Of the file, without its log.
    package let bytes: Int
    package let threads: Int
    /// What SQLite finds wrong with its pages, the first few; empty when nothing is.
    package let damage: [String]

    /// The engine's version, as in 3.40.1.
    package static var engineVersion: String { String(cString: sqlite3_libversion()) }
    package static var compressionVersion: String { String(cString: ZSTD_versionString()) }

    /// What of the engine cannot be worked with; nil when it will do.
    package static var engineProblem: String? {
        if sqlite3_threadsafe() == 0 {
            return "the SQLite library is built for one thread; install one built with SQLITE_THREADSAFE=1"
        }
        if sqlite3_libversion_number() < 3_037_000 {
            return "the SQLite library is \(engineVersion); install 3.37 or later"
        }
        for option in ["OMIT_WAL", "OMIT_AUTOVACUUM"] where sqlite3_compileoption_used(option) == 1 {
            return "the SQLite library is built with SQLITE_\(option); install one without"
        }
        return nil
    }

    /// Looks at the file's pages, but not at what the values in them are: `SQLiteStore.verify` does that.
    ///
    /// Throws `StoreOpenError` when there is no store at `path`, or one of another layout.
    package init(path: String) throws {
        do {
            try SQLiteStore.requireCurrentLayout(path, to: "use")
            let database = try SQLiteConnection.reader(path: path)
            (encryption, threads, damage) = try database.read { db in
                let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
                let damage =
                    try String.fetchAll(db, sql: "PRAGMA quick_check(5)").filter { $0 != "ok" }
                    + SQLiteSchema.damage(db)
                let threads = try Int.fetchOne(db, sql: "SELECT count(*) FROM threads") ?? 0
                return (SQLiteSchema.encryptionState(id) ?? .clear, threads, damage)
            }
            try database.close()
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        }
        bytes = Durable.size(path) ?? 0
    }
}
