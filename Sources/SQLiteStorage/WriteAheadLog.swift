import GRDB
import GRDBSQLite

/// How long the write-ahead log is, and when the writer moves it into the file.
///
/// SQLite would do that inside a commit, and hold up whoever waits for it. Here it happens after the answers, in small portions,
/// and when nothing comes. Only the writer's connection does it: DESIGN.md says why. Used on the writer's thread alone.
///
/// https://www.sqlite.org/wal.html#ckpt
final class WriteAheadLog {
    /// Pages after which the log is moved: it then takes some milliseconds.
    private static let portion: Int32 = 2_000
    /// Pages after which readers are waited for, so that the log begins anew; twice as many if that did not help.
    private static let longest: Int32 = 32_000

    private var pages: Int32 = 0
    /// At how many pages it is moved next.
    private var next = portion
    /// At how many pages readers are waited for.
    private var restart = longest

    init(_ db: Database) {
        // This replaces SQLite's own hook, which moves the log inside a commit.
        // https://www.sqlite.org/c3ref/wal_hook.html
        sqlite3_wal_hook(
            db.sqliteConnection,
            { log, _, _, pages in
                if let log { Unmanaged<WriteAheadLog>.fromOpaque(log).takeUnretainedValue().committed(pages) }
                return SQLITE_OK
            },
            Unmanaged.passUnretained(self).toOpaque()
        )
    }

    var isLong: Bool { pages >= next }

    /// Whether all of it is in the file.
    private(set) var isMoved = true

    /// Moves what no reader needs any more.
    ///
    /// A failure leaves it in the log, where it is safe, to be moved later.
    func move(_ db: Database) throws {
        let mustRestart = pages >= restart
        next = pages + Self.portion
        // A read that goes on and on must not hold up every portion.
        if mustRestart { restart = pages * 2 }
        let (all, moved) = try db.checkpoint(mustRestart ? .restart : .passive)
        isMoved = all == moved
    }

    private func committed(_ pages: Int32) {
        // It begins anew once all of it was moved.
        if pages < self.pages {
            next = Self.portion
            restart = Self.longest
        }
        self.pages = pages
        isMoved = false
    }
}
