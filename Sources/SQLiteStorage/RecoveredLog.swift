import GRDB
import GRDBSQLite

/// The write-ahead log that a process left behind, made durable before a start relies on it.
///
/// After a flush that failed, the kernel may show bytes that are not on the disk, and take them for written: a later
/// flush leaves them out and succeeds. SQLite would move such a log into the database, and a loss of power in the middle
/// would leave a database of which the log, on the disk, says nothing. Written again, the bytes are flushed in truth.
enum RecoveredLog {
    /// Bytes that are read and written at once.
    private static let portion = 64 << 10

    /// Writes the log of the database at `path` over itself and flushes it; does nothing when there is none.
    ///
    /// Before anything is moved out of the log, and while no other process changes it. Costs a read and a write of the
    /// log, which is some megabytes, rarely more than 130 MB. Power that goes meanwhile leaves what was there, since the
    /// bytes are the same. Goes through SQLite's VFS, as everything else that happens to the file does.
    static func flush(_ path: String) throws {
        guard let vfs = sqlite3_vfs_find(nil) else { throw DatabaseError(resultCode: .SQLITE_CANTOPEN) }
        let name = path + "-wal"
        var isThere: Int32 = 0
        try check(name.withCString { vfs.pointee.xAccess(vfs, $0, SQLITE_ACCESS_EXISTS, &isThere) }, name)
        guard isThere != 0 else { return }

        let memory = UnsafeMutableRawPointer.allocate(byteCount: Int(vfs.pointee.szOsFile), alignment: 16)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: Int(vfs.pointee.szOsFile))
        let file = memory.assumingMemoryBound(to: sqlite3_file.self)
        // SQLite keeps the pointer to the name as long as the file is open.
        try name.withCString { pointer in
            try check(vfs.pointee.xOpen(vfs, pointer, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, nil), name)
            defer { _ = file.pointee.pMethods.pointee.xClose(file) }
            try rewrite(file, name)
        }
    }

    private static func rewrite(_ file: UnsafeMutablePointer<sqlite3_file>, _ name: String) throws {
        let methods = file.pointee.pMethods.pointee
        var size: sqlite3_int64 = 0
        try check(methods.xFileSize(file, &size), name)
        guard size > 0 else { return }
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: portion, alignment: 16)
        defer { bytes.deallocate() }
        for offset in stride(from: 0, to: size, by: portion) {
            let count = Int32(min(Int64(portion), size - offset))
            try check(methods.xRead(file, bytes, count, offset), name)
            try check(methods.xWrite(file, bytes, count, offset), name)
        }
        try check(methods.xSync(file, SQLITE_SYNC_FULL), name)
    }

    private static func check(_ code: Int32, _ name: String) throws {
        guard code == SQLITE_OK else {
            throw DatabaseError(resultCode: ResultCode(rawValue: code), message: "\(name) cannot be written again")
        }
    }
}
