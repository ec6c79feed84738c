import Checkpoints
import GRDB
import GRDBSQLite

/// Points before and after every statement of a connection, in debug builds alone: see `Failpoint`.
///
/// After means after what the statement does: that of a COMMIT is passed once the log is flushed.
///
/// https://www.sqlite.org/c3ref/c_trace.html
enum StatementPoints {
    static func watch(_ db: Database) {
        guard Failpoint.isActive else { return }
        sqlite3_trace_v2(
            db.sqliteConnection,
            UInt32(SQLITE_TRACE_STMT | SQLITE_TRACE_PROFILE),
            { moment, _, statement, _ in
                guard let sql = statement.flatMap({ sqlite3_sql(OpaquePointer($0)) }) else { return 0 }
                let side = moment == UInt32(SQLITE_TRACE_STMT) ? "before" : "after"
                Failpoint.pass("sqlite \(side) \(Failpoint.words(String(cString: sql)))")
                return 0
            },
            nil
        )
    }
}
