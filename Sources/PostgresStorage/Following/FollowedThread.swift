import Checkpoints

/// What the followers of one thread were told of its newest checkpoints, whichever way it came to be known.
///
/// A change may come twice: as a commit of this server's or a notification of another's, and in a read that saw it before or
/// after. It is told once.
struct FollowedThread {
    /// Checkpoints that are remembered; a read looks at what is not below them.
    static let size = 16

    private struct Known {
        /// Whether it is known to be there: its writes may come before.
        var isThere = false
        /// Whether a read was the first to find it, and its commit or notification has not come.
        var isReadFirst = false
        /// What was written after it; whether a read was the first to find it.
        var writes: [WrittenChannel: Bool] = [:]
    }

    private var newest = NewestPlaces<Known>(size: Self.size)
    /// What is below is not remembered and not read; nil when there is nothing below.
    var floor: ListOrder? { newest.floor }
    /// What is known of it.
    enum Knowledge {
        /// Its first follower reads what it has.
        case awaited
        case complete
        /// It was replaced, or something was missed: the next look begins anew.
        case lost
    }

    private(set) var knowledge = Knowledge.awaited
    /// Whether what was told since means that checkpoints may be gone without being told again.
    private var mayHaveLost = false
    /// Changes that came, other than by reading.
    private(set) var version = 0
    /// Reads that began before are of what is not there any more.
    private var deletedAt = 0

    /// Knows nothing yet; a look that is under way for `before`, of the same thread, says nothing of it.
    init(after before: FollowedThread?) {
        version = before.map { $0.version + 1 } ?? 0
        deletedAt = version
    }

    /// A commit or a notification: returns what is to be told of it, if anything.
    mutating func take(_ effect: ThreadChange.Effect) -> ThreadChange.Effect? {
        version += 1
        switch effect {
        case .checkpoint(let step):
            let isNew = newest.change(ListOrder(step.place), new: Known()) { entry in
                defer { (entry.isThere, entry.isReadFirst) = (true, false) }
                return !entry.isReadFirst
            }
            return isNew ? effect : nil
        case .writes(let place, let written):
            let isNew = newest.change(ListOrder(place), new: Known()) { entry in
                let isNew = written.contains { entry.writes[$0] != true }
                for write in written { entry.writes[write] = false }
                return isNew
            }
            return isNew ? effect : nil
        case .pruned: mayHaveLost = true
        case .deleted:
            newest = NewestPlaces(size: Self.size)
            deletedAt = version
        case .replaced, .missed: if knowledge == .complete { knowledge = .lost }
        }
        return effect
    }

    /// What is there as following begins: nobody is told of it.
    mutating func begin(with read: [ReadCheckpoint]) {
        for checkpoint in read.reversed() {
            newest.change(checkpoint.place, new: Known()) { entry in
                entry.isThere = true
                for write in checkpoint.writes where entry.writes[write] == nil { entry.writes[write] = false }
            }
        }
        if read.count >= Self.size, floor == nil { newest.floor = newest.entries.first?.place }
        knowledge = .complete
    }

    /// What a read has that nobody was told of.
    ///
    /// `version` is that of when the read began: what came since is not in it.
    mutating func take(_ read: [ReadCheckpoint], since version: Int) -> [ThreadChange.Effect] {
        guard deletedAt <= version else { return [] }
        var effects: [ThreadChange.Effect] = version == self.version ? forget(exceptFor: read) : []
        for checkpoint in read.reversed() {
            if let floor, checkpoint.place < floor { continue }
            var found: [ThreadChange.Effect] = []
            newest.change(checkpoint.place, new: Known()) { entry in
                if !entry.isThere { found.append(.checkpoint(checkpoint.step)) }
                entry.isReadFirst = entry.isReadFirst || !entry.isThere
                entry.isThere = true
                let writes = checkpoint.writes.filter { entry.writes[$0] == nil }
                for write in writes { entry.writes[write] = true }
                if !writes.isEmpty { found.append(.writes(checkpoint.place.place, writes)) }
            }
            effects += found
        }
        return effects
    }

    /// Forgets what is not there any more, and says that it went, unless that was said.
    private mutating func forget(exceptFor read: [ReadCheckpoint]) -> [ThreadChange.Effect] {
        defer { mayHaveLost = false }
        let there = Set(read.map(\.place))
        let isLost = newest.entries.contains { $0.known.isThere && !there.contains($0.place) }
        guard isLost else { return [] }
        newest.entries.removeAll { $0.known.isThere && !there.contains($0.place) }
        if newest.entries.isEmpty { newest.floor = nil }
        return mayHaveLost ? [] : [newest.entries.isEmpty && read.isEmpty ? .deleted : .pruned]
    }
}

/// A checkpoint as a look at a followed thread finds it.
struct ReadCheckpoint {
    let step: CheckpointStep
    var writes: [WrittenChannel] = []

    var place: ListOrder { ListOrder(step.place) }
}
