import Checkpoints
import GRDB
import GRDBSQLite

/// Tells an observer how long each flush of the writer's files takes.
///
/// SQLite calls a file through a table of functions that the file points to. The two files of the writer's connection,
/// the store and its log, are made to point to a copy of their table in which one entry differs: `xSync`, which calls the
/// original and looks at the clock. Nothing is registered, and no other connection is touched: readers, other stores and
/// files of LangGraph's flush as they did.
///
/// https://www.sqlite.org/c3ref/io_methods.html
/// https://www.sqlite.org/c3ref/c_fcntl_begin_atomic_write.html#sqlitefcntljournalpointer
enum FlushClock {
    private final class Watch {
        let original: UnsafePointer<sqlite3_io_methods>
        let observer: any StoreObserver

        init(_ original: UnsafePointer<sqlite3_io_methods>, _ observer: any StoreObserver) {
            self.original = original
            self.observer = observer
        }
    }

    /// The copy, and behind it where the calls go: C sees only the beginning.
    private struct TimedMethods {
        var methods: sqlite3_io_methods
        let watch: Unmanaged<Watch>
    }

    /// Watches the files that the connection has open.
    ///
    /// The log is one of them once something was read in WAL mode, and stays open as long as the connection.
    static func watch(_ db: Database, _ observer: any StoreObserver) {
        for pointer in [SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER] {
            var file: UnsafeMutablePointer<sqlite3_file>?
            guard
                sqlite3_file_control(db.sqliteConnection, "main", pointer, &file) == SQLITE_OK, let file,
                let methods = file.pointee.pMethods
            else { continue }
            file.pointee.pMethods = timed(methods, observer)
        }
    }

    /// A few hundred bytes for each file, which are never given back: the connection may outlive whoever opened it.
    private static func timed(
        _ original: UnsafePointer<sqlite3_io_methods>,
        _ observer: any StoreObserver
    ) -> UnsafePointer<sqlite3_io_methods> {
        let copy = UnsafeMutablePointer<TimedMethods>.allocate(capacity: 1)
        copy.initialize(
            to: TimedMethods(methods: original.pointee, watch: .passRetained(Watch(original, observer)))
        )
        copy.pointee.methods.xSync = { file, flags in
            guard let file, let methods = file.pointee.pMethods else { return SQLITE_IOERR }
            let timed = UnsafeRawPointer(methods).assumingMemoryBound(to: TimedMethods.self)
            return FlushClock.flush(file, flags, timed.pointee.watch.takeUnretainedValue())
        }
        return UnsafeRawPointer(copy).assumingMemoryBound(to: sqlite3_io_methods.self)
    }

    private static func flush(_ file: UnsafeMutablePointer<sqlite3_file>, _ flags: Int32, _ watch: Watch) -> Int32 {
        guard let sync = watch.original.pointee.xSync else { return SQLITE_IOERR }
        let start = MonotonicTime.now
        let code = sync(file, flags)
        watch.observer.flushed(MonotonicTime.now - start)
        return code
    }
}
