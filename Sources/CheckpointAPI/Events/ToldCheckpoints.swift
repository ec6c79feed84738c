import Checkpoints

/// The newest checkpoints that a client was told of, with what it was told was written after them.
///
/// It tells what a read of the thread has that the client does not know, and becomes the client's `Last-Event-ID`.
struct ToldCheckpoints {
    /// Checkpoints that are remembered: agents run side by side store theirs in another order than that of their ids.
    static let size = 16
    /// Writes of one checkpoint that are remembered; past that they are told again.
    private static let mostWrites = 4_096

    private struct Known {
        /// Whether the client knows that it is there: its writes may come before.
        var isTold = false
        /// Whether it was read and no event of it has come since.
        var isRead = false
        /// Hashes of the writes that the client was told of.
        var writes: Set<UInt32> = []
        /// Those of them that were read and of which no event has come.
        var readWrites: Set<UInt32> = []
    }

    /// Those below the floor are told again; it is nil when everything that was told is remembered.
    private var newest: NewestPlaces<Known>
    /// Until when an event may be of what was read already: it was committed before the read, and told after.
    private let settled: ContinuousClock.Instant

    /// How long after a read that may be.
    private static let settling = Duration.seconds(5)

    /// What was read of a thread, newest first, and whether there is more below.
    init(_ read: [CheckpointTuple], isAll: Bool) {
        settled = .now + Self.settling
        let entries = read.prefix(Self.size).reversed().map { tuple in
            let writes = Set(tuple.pendingWrites.map { WrittenChannel($0).hash32 })
            let known = Known(
                isTold: true,
                isRead: true,
                writes: writes.count <= Self.mostWrites ? writes : [],
                readWrites: writes
            )
            return NewestPlaces.Entry(place: ListOrder(tuple.checkpoint.key), known: known)
        }
        let floor = isAll && read.count <= Self.size ? nil : entries.first?.place
        newest = NewestPlaces(size: Self.size, entries, floor: floor)
    }

    /// Whether the client has to be told; remembers that it was.
    mutating func mustTell(_ effect: ThreadChange.Effect, at now: ContinuousClock.Instant) -> Bool {
        let isSettling = now <= settled
        switch effect {
        case .checkpoint(let step):
            return newest.change(ListOrder(step.place), new: Known()) { entry in
                defer { (entry.isTold, entry.isRead) = (true, false) }
                return !entry.isRead || !isSettling
            }
        case .writes(let place, let written):
            let hashes = Set(written.map(\.hash32))
            return newest.change(ListOrder(place), new: Known()) { entry in
                let isKnown = isSettling && hashes.isSubset(of: entry.readWrites)
                entry.readWrites.subtract(hashes)
                entry.writes.formUnion(hashes)
                if entry.writes.count > Self.mostWrites { entry.writes = [] }
                return !isKnown
            }
        case .deleted:
            newest = NewestPlaces(size: Self.size)
            return true
        case .pruned, .replaced, .missed: return true
        }
    }

    /// What the client sends to go on from here.
    var resumption: Resumption {
        Resumption(
            floor: newest.floor,
            entries: newest.entries.map { entry in
                .init(
                    place: entry.place.hash32, isTold: entry.known.isTold, writes: Resumption.digest(entry.known.writes)
                )
            }
        )
    }
}
