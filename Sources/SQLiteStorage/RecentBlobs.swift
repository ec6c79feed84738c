import Checkpoints
import Synchronization

/// How far the store's changes have come, as numbers: which snapshot sees which commit.
final class CommitClock: Sendable {
    private let begun = Atomic(0)
    private let done = Atomic(0)

    /// Called by the writer before a commit becomes visible, and when it has.
    func begin() { begun.add(1, ordering: .sequentiallyConsistent) }
    func end() { done.store(begun.load(ordering: .sequentiallyConsistent), ordering: .sequentiallyConsistent) }

    /// Every snapshot that begins from now on sees the commits up to this one.
    var seenByAll: Int { done.load(ordering: .sequentiallyConsistent) }
    /// No snapshot that has begun by now sees a later commit.
    var seenByAny: Int { begun.load(ordering: .sequentiallyConsistent) }
}

/// The blobs that were put or read lately, in memory: the next step of an agent reads what the last one put, and its
/// next versions are made from it.
///
/// A version of a channel never changes while its thread exists, and a thread's number is never used for another while
/// the process runs (`ThreadNumbers`): so a key names the same bytes for ever, and nothing here can be out of date. It
/// could be too new for a snapshot: so each blob has the number of a commit by which it was there.
///
/// The exception are versions that a sweep takes from a thread that stays: they are forgotten, and whoever reads them in an older
/// snapshot does not bring them back (`cut`).
final class RecentBlobs: Sendable {
    struct Key: Hashable, Sendable {
        let thread: Int64
        let namespace: Identifier
        let channel: Identifier
        let version: Identifier

        init(_ thread: Int64, _ namespace: Identifier, _ version: ChannelVersion) {
            self.thread = thread
            self.namespace = namespace
            channel = version.channel
            self.version = version.version
        }

        init(_ thread: Int64, _ namespace: Identifier, _ blob: ChannelBlob) {
            self.init(thread, namespace, ChannelVersion(channel: blob.channel, version: blob.version))
        }
    }

    struct Blob: Sendable {
        let type: String
        let bytes: [UInt8]?
    }

    private struct Entry {
        let blob: Blob
        let commit: Int
    }

    /// Two halves: what is used moves to the younger one; once that is full, the older one is forgotten.
    private struct Halves {
        var younger: [Key: Entry] = [:]
        var older: [Key: Entry] = [:]
        var youngerBytes = 0
        /// The last commit in which versions of a thread went, by its number.
        var cuts: [Int64: Int] = [:]
        /// The last commit in which versions of any other thread went.
        var lastCut = 0

        func lastCut(of thread: Int64) -> Int { cuts[thread] ?? lastCut }

        mutating func remove(_ key: Key) {
            older[key] = nil
            if let entry = younger.removeValue(forKey: key) { youngerBytes -= RecentBlobs.bytes(of: entry.blob, key) }
        }

        /// Returns how many were forgotten for it.
        mutating func add(_ entry: Entry, _ key: Key) -> Int {
            var forgotten = 0
            let bytes = RecentBlobs.bytes(of: entry.blob, key)
            if youngerBytes + bytes > RecentBlobs.limit / 2 {
                forgotten = older.count
                older = younger
                younger = [:]
                youngerBytes = 0
            }
            if younger.updateValue(entry, forKey: key) == nil { youngerBytes += bytes }
            return forgotten
        }
    }

    /// Bytes that are held at most.
    private static let limit = 32 << 20
    /// What an entry takes beside its bytes and texts.
    private static let overhead = 256

    private static func bytes(of blob: Blob, _ key: Key) -> Int {
        let texts = blob.type.utf8.count + key.namespace.byteCount + key.channel.byteCount + key.version.byteCount
        return (blob.bytes?.count ?? 0) + texts + overhead
    }

    private let halves = Mutex(Halves())
    private let observer: (any StoreObserver)?

    init(observer: (any StoreObserver)? = nil) {
        self.observer = observer
    }

    /// The blob, if the snapshot with this number sees it.
    func blob(_ key: Key, seenAt commit: Int) -> Blob? {
        var forgotten = 0
        let entry: Entry? = halves.withLock { halves in
            if let found = halves.younger[key] { return found }
            guard let found = halves.older.removeValue(forKey: key) else { return nil }
            forgotten = halves.add(found, key)
            return found
        }
        if forgotten > 0 { observer?.evicted(forgotten) }
        return entry.flatMap { $0.commit <= commit ? $0.blob : nil }
    }

    /// Remembers a blob that every snapshot from `commit` on sees; a very large one is not remembered.
    ///
    /// `snapshot` is the number of the one that it was read in.
    func add(_ blob: Blob, _ key: Key, commit: Int, readIn snapshot: Int = .max) {
        guard Self.bytes(of: blob, key) <= Self.limit / 2 else { return }
        let forgotten = halves.withLock { halves in
            guard snapshot >= halves.lastCut(of: key.thread) else { return 0 }
            return halves.add(Entry(blob: blob, commit: commit), key)
        }
        if forgotten > 0 { observer?.evicted(forgotten) }
    }

    /// Threads whose cuts are told apart.
    private static let mostCuts = 4_096

    /// Forgets versions that go in this commit while their thread stays.
    ///
    /// Called in the transaction: nobody takes them for what is put under the same names later, in it or after it. It may be
    /// rolled back: then they were forgotten for nothing.
    func cut(_ keys: [Key], of thread: Int64, in commit: Int) {
        halves.withLock { halves in
            for key in keys { halves.remove(key) }
            if halves.cuts.count >= Self.mostCuts, halves.cuts[thread] == nil {
                halves.lastCut = halves.cuts.values.reduce(halves.lastCut, max)
                halves.cuts = [:]
            }
            halves.cuts[thread] = commit
        }
    }

    /// Whether rows of a thread may have gone, or been written anew, that a snapshot with this number saw.
    func isCut(_ thread: Int64, since snapshot: Int) -> Bool {
        halves.withLock { $0.lastCut(of: thread) > snapshot }
    }

    /// Forgets threads that have been deleted.
    ///
    /// Costs a look at everything that is remembered.
    func forget(_ threads: Set<Int64>) {
        guard !threads.isEmpty else { return }
        halves.withLock { halves in
            halves.older = halves.older.filter { !threads.contains($0.key.thread) }
            halves.younger = halves.younger.filter { !threads.contains($0.key.thread) }
            halves.youngerBytes = halves.younger.reduce(0) { $0 + Self.bytes(of: $1.value.blob, $1.key) }
        }
    }
}
