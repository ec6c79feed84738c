/// The checkpoints of a thread as a forest: who continues whom, and from where a channel's value can be had.
struct Lineage {
    /// Where a channel's value is found from a checkpoint backwards, the checkpoint included.
    struct Source {
        /// The nearest checkpoint with a stored value; nil when there is none.
        var seed: Int?
        /// Whether anything was written to the channel from the seed on.
        var isWritten: Bool
        /// Whether a checkpoint that cannot be read stands before the seed.
        var isObscured: Bool

        /// Takes in a checkpoint that is passed on the way.
        fileprivate mutating func add(_ lineage: Lineage, _ channel: Identifier, at index: Int) {
            isWritten = isWritten || lineage.hasWrite(to: channel, at: index)
            isObscured = isObscured || lineage.checkpoint(index).content == nil
        }
    }

    let outline: ThreadOutline
    /// By place, the index in `outline.checkpoints`.
    let indexes: [CheckpointPlace: Int]
    /// By index, the parent's; nil for a first checkpoint and for one whose parent is not there.
    let parents: [Int?]
    let children: [[Int]]
    private let inlineOrStored: [Set<Identifier>]
    /// Channels that anything in a namespace is stored of.
    private let storedChannels: [Identifier: Set<Identifier>]
    private var sources: [Identifier: [Int: Source]] = [:]

    init(_ outline: ThreadOutline) {
        self.outline = outline
        let checkpoints = outline.checkpoints
        var indexes: [CheckpointPlace: Int] = [:]
        for (index, checkpoint) in checkpoints.enumerated() { indexes[checkpoint.place] = index }
        self.indexes = indexes
        parents = checkpoints.map { checkpoint in
            checkpoint.parentID.flatMap { indexes[CheckpointPlace(namespace: checkpoint.place.namespace, id: $0)] }
        }
        var children = [[Int]](repeating: [], count: checkpoints.count)
        for (index, parent) in parents.enumerated() {
            if let parent, parent != index { children[parent].append(index) }
        }
        self.children = children
        inlineOrStored = checkpoints.map { checkpoint in
            guard let content = checkpoint.content else { return [] }
            let stored = content.versions.filter { _, version in
                let key = ThreadOutline.BlobKey(namespace: checkpoint.place.namespace, version: version)
                return outline.blobs[key] ?? false
            }
            return content.inlineChannels.union(stored.keys)
        }
        var storedChannels: [Identifier: Set<Identifier>] = [:]
        for (index, checkpoint) in checkpoints.enumerated() {
            storedChannels[checkpoint.place.namespace, default: []]
                .formUnion(inlineOrStored[index].union(outline.writtenChannels[checkpoint.place] ?? []))
        }
        self.storedChannels = storedChannels
    }

    func checkpoint(_ index: Int) -> CheckpointOutline { outline.checkpoints[index] }

    /// Whether the checkpoint itself leads to a value of the channel, in its document or in a blob.
    func hasValue(_ channel: Identifier, at index: Int) -> Bool {
        inlineOrStored[index].contains(channel)
    }

    /// Whether anything was written to the channel after the checkpoint.
    func hasWrite(to channel: Identifier, at index: Int) -> Bool {
        outline.writtenChannels[outline.checkpoints[index].place]?.contains(channel) ?? false
    }

    /// Whether any checkpoint of the namespace has a value of the channel, or a write to it.
    func isStored(_ channel: Identifier, in namespace: Identifier) -> Bool {
        storedChannels[namespace]?.contains(channel) ?? false
    }

    /// Whether an interrupt is there that has not been answered: there is no `__resume__`, or the graph did not go on.
    func isWaiting(_ index: Int) -> Bool {
        guard hasWrite(to: .interruptChannel, at: index) else { return false }
        let isAnswered = hasWrite(to: .resumeChannel, at: index)
        return !(isAnswered && children[index].contains(where: isStep))
    }

    /// Whether the graph made the checkpoint by going on.
    func isStep(_ index: Int) -> Bool { checkpoint(index).content?.source == "loop" }

    /// Costs, for all checkpoints together, one walk over the thread a channel.
    mutating func source(of channel: Identifier, from start: Int) -> Source {
        // Taken out, so that it is changed in place.
        var known = sources.removeValue(forKey: channel) ?? [:]
        var path: [Int] = []
        var visited: Set<Int> = []
        var next: Int? = start
        var source = Source(seed: nil, isWritten: false, isObscured: false)
        while let current = next {
            guard visited.insert(current).inserted else {
                // A circle: from each of its checkpoints all of it is seen.
                let start = path.firstIndex(of: current) ?? path.endIndex
                for index in path[start...] { source.add(self, channel, at: index) }
                for index in path[start...] { known[index] = source }
                path.removeSubrange(start...)
                break
            }
            if let found = known[current] {
                source = found
                break
            }
            path.append(current)
            next = hasValue(channel, at: current) ? nil : parents[current]
        }
        for index in path.reversed() {
            if hasValue(channel, at: index) { source.seed = index }
            source.add(self, channel, at: index)
            known[index] = source
        }
        sources[channel] = known
        return source
    }
}
