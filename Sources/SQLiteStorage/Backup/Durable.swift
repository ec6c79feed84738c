package import Checkpoints
import Glibc

/// What becomes of files when the power goes: each of these has happened for good when it returns.
package enum Durable {
    /// Flushes a file and gives its size.
    package static func flush(_ path: String) throws(StoreOpenError) -> Int {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("open \(path)") }
        defer { close(descriptor) }
        var status = stat()
        Failpoint.pass("file before flush")
        guard fsync(descriptor) == 0, fstat(descriptor, &status) == 0 else { throw .failed("flush \(path)") }
        Failpoint.pass("file after flush")
        return Int(status.st_size)
    }

    /// Puts the file in the place of what `target` names, if that is there.
    package static func rename(_ path: String, to target: String) throws(StoreOpenError) {
        Failpoint.pass("file before rename")
        guard Glibc.rename(path, target) == 0 else { throw .failed("rename \(path) to \(target)") }
        Failpoint.pass("file after rename")
        try flushDirectory(of: target)
    }

    /// Gives the file a second name.
    package static func link(_ path: String, to name: String) throws(StoreOpenError) {
        Failpoint.pass("file before link")
        guard Glibc.link(path, name) == 0 else { throw .failed("give \(path) the name \(name)") }
        Failpoint.pass("file after link")
        try flushDirectory(of: name)
    }

    /// Removes a file that may be there.
    ///
    /// Gives whether it was.
    @discardableResult
    package static func remove(_ path: String) throws(StoreOpenError) -> Bool {
        Failpoint.pass("file before remove")
        guard unlink(path) == 0 else {
            if errno == ENOENT { return false }
            throw .failed("remove \(path)")
        }
        Failpoint.pass("file after remove")
        try flushDirectory(of: path)
        return true
    }

    /// Writes a small file anew, for this user alone, under a name that nobody reads yet.
    package static func write(_ text: String, to path: String) throws(StoreOpenError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .failed("open \(path)") }
        defer { close(descriptor) }
        Failpoint.pass("file before write")
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw .failed("write to \(path)") }
            rest = rest.dropFirst(count)
        }
        Failpoint.pass("file after write")
        guard fsync(descriptor) == 0 else { throw .failed("flush \(path)") }
    }

    /// A name is in a directory, and a directory is flushed by itself.
    package static func flushDirectory(of path: String) throws(StoreOpenError) {
        let directory = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("open \(directory)") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .failed("flush \(directory)") }
        Failpoint.pass("directory flushed")
    }

    /// Whether the path names something.
    package static func exists(_ path: String) -> Bool {
        status(path) != nil
    }

    /// What a file is and who may use it; nil when there is none.
    package static func facts(_ path: String) -> FileFacts? {
        status(path).map {
            FileFacts(
                isFile: $0.st_mode & S_IFMT == S_IFREG, permissions: Int($0.st_mode & 0o777), owner: $0.st_uid,
                bytes: Int($0.st_size)
            )
        }
    }

    /// Bytes of the file; nil when there is none.
    package static func size(_ path: String) -> Int? {
        status(path).map { Int($0.st_size) }
    }

    /// Whether both name the same file.
    package static func isSame(_ path: String, _ other: String) -> Bool {
        guard let one = status(path), let two = status(other) else { return false }
        return one.st_ino == two.st_ino && one.st_dev == two.st_dev
    }

    /// What a path names; nil when it is nothing.
    static func status(_ path: String) -> stat? {
        var status = stat()
        return stat(path, &status) == 0 ? status : nil
    }
}

extension StoreOpenError {
    /// What the last system call answered.
    static func failed(_ action: String) -> StoreOpenError {
        let reason = String(cString: strerror(errno))
        return StoreOpenError(
            .notAccessible, "cannot \(action): \(reason)",
            hint: "check the file, its directory's owner and mode, and the space left on the disk"
        )
    }
}

/// What there is to know of a file beside what is in it.
package struct FileFacts: Hashable, Sendable {
    /// Whether it is a regular one.
    package let isFile: Bool
    /// The nine bits of its mode.
    package let permissions: Int
    package let owner: UInt32
    package let bytes: Int
}
