import Synchronization

/// The blobs that were put or read lately, in memory: the next step of an agent reads what the last one put, and its
/// next versions are made from it.
///
/// A row of `blobs` is never changed while its thread exists, and a thread's number is never used for another while the
/// process runs (`ThreadNumbers`): so (thread, row) names the same bytes for ever, and nothing here can be out of date. Who asks
/// has found the row in its own snapshot, which decides what is there.
final class RecentBlobs: Sendable {
    struct Blob: Sendable {
        let type: String
        let bytes: [UInt8]?
    }

    private struct Row: Hashable {
        let thread: Int64
        let row: Int64
    }

    /// Two halves: what is used moves to the younger one; once that is full, the older one is forgotten.
    private struct Halves {
        var younger: [Row: Blob] = [:]
        var older: [Row: Blob] = [:]
        var youngerBytes = 0
    }

    /// Bytes that are held at most.
    private static let limit = 32 << 20
    /// What an entry takes beside its bytes.
    private static let overhead = 128

    private let halves = Mutex(Halves())

    func blob(thread: Int64, row: Int64) -> Blob? {
        let row = Row(thread: thread, row: row)
        return halves.withLock { halves in
            if let found = halves.younger[row] { return found }
            guard let found = halves.older.removeValue(forKey: row) else { return nil }
            Self.add(found, row, to: &halves)
            return found
        }
    }

    /// Remembers a blob that has been committed; a very large one is not.
    func add(_ blob: Blob, thread: Int64, row: Int64) {
        guard (blob.bytes?.count ?? 0) <= Self.limit / 2 else { return }
        halves.withLock { Self.add(blob, Row(thread: thread, row: row), to: &$0) }
    }

    /// Forgets a thread that has been deleted.
    func forget(thread: Int64) {
        halves.withLock { halves in
            halves.older = halves.older.filter { $0.key.thread != thread }
            for (row, blob) in halves.younger where row.thread == thread {
                halves.younger[row] = nil
                halves.youngerBytes -= (blob.bytes?.count ?? 0) + Self.overhead
            }
        }
    }

    private static func add(_ blob: Blob, _ row: Row, to halves: inout Halves) {
        let bytes = (blob.bytes?.count ?? 0) + Self.overhead
        if halves.youngerBytes + bytes > limit / 2 {
            halves.older = halves.younger
            halves.younger = [:]
            halves.youngerBytes = 0
        }
        if halves.younger.updateValue(blob, forKey: row) == nil { halves.youngerBytes += bytes }
    }
}
