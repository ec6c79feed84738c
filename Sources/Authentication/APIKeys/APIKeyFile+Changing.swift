import Glibc
import SystemPackage

extension APIKeyFile {
    /// Lets `body` change the keys and puts the result in the place of the file, on disk when this returns.
    ///
    /// Whoever else changes them waits, in this process or another. When `body` throws nothing is changed.
    func change(
        creating: Bool,
        _ body: (inout [APIKeyRecord]) throws(APIKeyFileError) -> Void
    ) throws(APIKeyFileError) {
        // A link stays one: the file that it names is replaced.
        let file = APIKeyFile(path: resolved(path))
        let lock = try file.lock()
        defer { close(lock.rawValue) }
        var records: [APIKeyRecord] = []
        var status: FileStatus?
        do throws(APIKeyFileError) {
            (records, status) = try file.load()
        } catch  where creating && error.kind == .missing {
            // The first key makes it.
        }
        try body(&records)
        if let status { try lock.give(to: status, file.path) }
        try file.replace(with: records.file, like: status)
    }

    /// An exclusive `flock`, waited for, that ends when the descriptor is closed.
    ///
    /// On a file of its own, which stays: the one that it guards is replaced, and a lock on it would go with it.
    private func lock() throws(APIKeyFileError) -> FileDescriptor {
        let path = path + ".lock"
        let descriptor: FileDescriptor
        do {
            descriptor = try .open(
                FilePath(path), .readWrite, options: [.create, .closeOnExec], permissions: .ownerReadWrite)
        } catch {
            throw .notAccessible("open \(path)", "\(error)")
        }
        while flock(descriptor.rawValue, LOCK_EX) != 0 {
            if errno == EINTR { continue }
            let reason = Errno(rawValue: errno)
            close(descriptor.rawValue)
            throw .notAccessible("lock \(path)", reason)
        }
        return descriptor
    }

    private func replace(with bytes: [UInt8], like status: FileStatus?) throws(APIKeyFileError) {
        let new = path + ".new"
        // One that a process left when it was ended; the lock is ours.
        unlink(new)
        do {
            let descriptor = try FileDescriptor.open(
                FilePath(new), .writeOnly, options: [.create, .exclusiveCreate, .closeOnExec],
                permissions: .ownerReadWrite
            )
            try descriptor.closeAfter {
                if let status { try descriptor.give(to: status, path) }
                try descriptor.writeAll(bytes)
                try check(fsync(descriptor.rawValue))
            }
            try check(rename(new, path))
            try flushDirectory()
        } catch {
            unlink(new)
            throw error as? APIKeyFileError ?? .notAccessible("write \(path)", "\(error)")
        }
    }

    /// Makes the new name as durable as the content.
    private func flushDirectory() throws {
        let directory = FilePath(path).removingLastComponent()
        let descriptor = try FileDescriptor.open(
            directory.isEmpty ? "." : directory, .readOnly, options: [.directory, .closeOnExec])
        try descriptor.closeAfter { try check(fsync(descriptor.rawValue)) }
    }

    private func resolved(_ path: String) -> String {
        guard let name = realpath(path, nil) else { return path }
        defer { free(name) }
        return String(cString: name)
    }
}

extension FileDescriptor {
    /// Makes the owner of a file the owner of this one too: when root changes the keys, the server has still to read them.
    fileprivate func give(to status: FileStatus, _ path: String) throws(APIKeyFileError) {
        guard status.owner != geteuid() else { return }
        guard fchown(rawValue, status.owner, status.group) == 0 else {
            throw .notAccessible("leave \(path) to its owner", Errno(rawValue: errno))
        }
    }
}

/// Throws what the last system call answered.
private func check(_ result: Int32) throws(Errno) {
    guard result == 0 else { throw Errno(rawValue: errno) }
}
