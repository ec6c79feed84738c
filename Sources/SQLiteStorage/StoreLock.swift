import Checkpoints
import Glibc

/// Keeps a second process from opening the same store: an exclusive `flock` on `PATH.lock`, held until this value ends.
///
/// The kernel drops it with the process, however that ends; the file itself stays.
///
/// A file of its own, because closing any descriptor of the database file would drop SQLite's own POSIX locks.
/// https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
struct StoreLock: ~Copyable {
    private let descriptor: Int32

    init(for databasePath: String) throws(StoreOpenError) {
        let path = databasePath + ".lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw .notAccessible(path, systemError: errno)
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = Self.holder(of: descriptor)
            close(descriptor)
            throw StoreOpenError(
                .locked,
                "\(databasePath) is in use by another milepost process\(holder)",
                hint: "stop that one, or give this one another --store"
            )
        }
        // For the message above, in the process that comes too late; the lock does not depend on it.
        let text = "\(getpid())\n"
        ftruncate(descriptor, 0)
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    private static func holder(of descriptor: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = pread(descriptor, &buffer, buffer.count, 0)
        let digits = buffer.prefix(max(0, count)).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return digits.isEmpty ? "" : " (process \(String(decoding: digits, as: UTF8.self)))"
    }
}

extension StoreOpenError {
    static func notAccessible(_ path: String, systemError code: Int32) -> StoreOpenError {
        let reason = String(cString: strerror(code))
        return StoreOpenError(
            .notAccessible,
            "cannot open \(path): \(reason)",
            hint: "name a file in a directory that exists and that this user may write to"
        )
    }
}
