package import Checkpoints
package import GRDB
import Glibc
import JSON
import Synchronization

/// A store in one SQLite file: one writer with group commit, several read-only readers, write-ahead log, every commit
/// flushed.
///
/// DESIGN.md beside this file says why it is safe.
package final class SQLiteStore: Sendable {
    /// How many reads run at once; the machine's cores are shared with the network and the writer.
    private static let readerCount = 2

    let writer: SQLiteWriter
    let readers: SQLiteReaders
    /// For what a put has to read first: it does not wait for reads, which may be many and large.
    let placing: SQLiteReaders
    let path: String
    private let database: DatabaseQueue
    private let lock: Mutex<StoreLock?>

    /// Opens the file at `path`, making it when there is none, and brings its layout up to date.
    ///
    /// Takes an exclusive lock: one process has a store open at a time.
    ///
    /// `observer` is told what it does.
    package init(path: String, observer: (any StoreObserver)? = nil) throws(StoreOpenError) {
        // Two names of one file must take one lock, also a link to a file that is still to be made.
        if Self.isLink(path) { try SQLiteConnection.createFile(at: path) }
        let path = Self.resolved(path)
        let lock = try StoreLock(for: path)
        do {
            let (recent, commits) = (RecentBlobs(observer: observer), CommitClock())
            database = try SQLiteConnection.writer(path: path)
            writer = try SQLiteWriter(database, recent, commits, observer)
            readers = try SQLiteReaders(path: path, count: Self.readerCount, recent, commits)
            placing = try SQLiteReaders(path: path, count: Self.readerCount, recent, commits)
        } catch let error as StoreOpenError {
            throw error
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        } catch let error as RowDecodingError {
            throw StoreOpenError(error, path: path)
        } catch {
            throw StoreOpenError(.notAccessible, "cannot open \(path): \(error)", hint: "check the file and its disk")
        }
        self.path = path
        self.lock = Mutex(consume lock)
    }

    package func close() async {
        await readers.close()
        // A put may be on its way from a reader to the writer.
        await placing.close()
        await writer.close()
        // The writer is the last to close: it then empties the log and removes it. A failure leaves the log in place,
        // and the next start reads it.
        try? database.close()
        lock.withLock { $0 = nil }
    }

    /// Runs `body` on the writer's connection between two of its transactions: to look at its settings, or to set
    /// one.
    ///
    /// Changes of rows belong into `SQLiteWriter`.
    package func onWriter<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        try await writer.between(body)
    }

    private static func isLink(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// Without links, where there is a file.
    static func resolved(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return path }
        defer { free(real) }
        return String(cString: real)
    }
}

extension StoreError {
    /// Translates what GRDB throws.
    ///
    /// The engine's words go to `detail`, without the values bound.
    init(_ error: any Error, during operation: String) {
        if let error = error as? StoreError {
            self = error
            return
        }
        // Documents were valid JSON when they were put.
        if let error = error as? JSONError {
            self.init(.corrupt, during: operation, detail: "a stored document is not JSON: \(error)")
            return
        }
        guard let error = error as? DatabaseError else {
            self.init(.unexpected, during: operation, detail: String(describing: error))
            return
        }
        self.init(Kind(error.resultCode), during: operation, detail: error.description)
    }
}

extension StoreError.Kind {
    /// What SQLite's result codes mean to a caller: https://www.sqlite.org/rescode.html.
    fileprivate init(_ code: ResultCode) {
        switch code {
        case .SQLITE_BUSY, .SQLITE_LOCKED: self = .busy
        case .SQLITE_FULL: self = .full
        case .SQLITE_CORRUPT, .SQLITE_NOTADB: self = .corrupt
        case .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_NOMEM: self = .unavailable
        case .SQLITE_MISUSE: self = .closed
        default: self = .unexpected
        }
    }
}
