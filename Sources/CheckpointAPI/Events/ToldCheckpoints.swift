import Checkpoints

/// The newest checkpoints that a client was told of, with what it was told was written after them.
///
/// It tells what a read of the thread has that the client does not know, and becomes the client's `Last-Event-ID`.
struct ToldCheckpoints {
    /// Checkpoints that are remembered: agents run side by side store theirs in another order than that of their ids.
    static let size = 16
    /// Writes of one checkpoint that are remembered; past that they are told again.
    private static let mostWrites = 4_096

    private struct Entry {
        let place: ListOrder
        /// Whether the client knows that it is there: its writes may come before.
        var isTold = false
        /// Whether it was read and no event of it has come since.
        var isRead = false
        /// Hashes of the writes that the client was told of.
        var writes: Set<UInt32> = []
        /// Those of them that were read and of which no event has come.
        var readWrites: Set<UInt32> = []
    }

    /// In ascending order.
    private var entries: [Entry] = []
    /// What is below is not remembered; nil when everything that was told is.
    private var floor: ListOrder?
    /// Until when an event may be of what was read already: it was committed before the read, and told after.
    private let settled: ContinuousClock.Instant

    /// How long after a read that may be.
    private static let settling = Duration.seconds(5)

    /// What was read of a thread, newest first, and whether there is more below.
    init(_ read: [CheckpointTuple], isAll: Bool) {
        settled = .now + Self.settling
        entries = read.prefix(Self.size).reversed().map { tuple in
            let writes = Set(tuple.pendingWrites.map { WrittenChannel($0).hash32 })
            return Entry(
                place: ListOrder(tuple.checkpoint.key),
                isTold: true,
                isRead: true,
                writes: writes.count <= Self.mostWrites ? writes : [],
                readWrites: writes
            )
        }
        floor = isAll && read.count <= Self.size ? nil : entries.first?.place
    }

    /// Whether the client has to be told; remembers that it was.
    mutating func mustTell(_ effect: ThreadChange.Effect, at now: ContinuousClock.Instant) -> Bool {
        let isSettling = now <= settled
        switch effect {
        case .checkpoint(let step):
            return change(ListOrder(step.place)) { entry in
                defer { (entry.isTold, entry.isRead) = (true, false) }
                return !entry.isRead || !isSettling
            }
        case .writes(let place, let written):
            let hashes = Set(written.map(\.hash32))
            return change(ListOrder(place)) { entry in
                let isKnown = isSettling && hashes.isSubset(of: entry.readWrites)
                entry.readWrites.subtract(hashes)
                entry.writes.formUnion(hashes)
                if entry.writes.count > Self.mostWrites { entry.writes = [] }
                return !isKnown
            }
        case .deleted:
            (entries, floor) = ([], nil)
            return true
        case .pruned, .replaced, .missed: return true
        }
    }

    /// For what is below the floor nothing is remembered.
    private mutating func change(_ place: ListOrder, _ body: (inout Entry) -> Bool) -> Bool {
        var forgotten = Entry(place: place)
        if let floor, place < floor { return body(&forgotten) }
        let found = entries.firstIndex { $0.place >= place } ?? entries.count
        if found == entries.count || entries[found].place != place { entries.insert(forgotten, at: found) }
        let result = body(&entries[found])
        if entries.count > Self.size {
            entries.removeFirst()
            floor = entries.first?.place
        }
        return result
    }

    /// What the client sends to go on from here.
    var resumption: Resumption {
        Resumption(
            floor: floor,
            entries: entries.map { entry in
                .init(place: entry.place.hash32, isTold: entry.isTold, writes: Resumption.digest(entry.writes))
            }
        )
    }
}
