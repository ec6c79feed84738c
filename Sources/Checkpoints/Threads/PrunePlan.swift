/// What of a thread can go so that everything that stays is worth what it was.
///
/// What stays: the newest checkpoints of every namespace, those whose interrupt waits for an answer with the checkpoints of
/// the graphs around them, those from which branches part, pinned ones, and those that cannot be read. And for each of them whatever
/// its state is made from: the ancestors back to where a channel that keeps its writes has a value, the parent that
/// has its sends, its blobs, its writes. And of an interrupt that was answered, one checkpoint that the graph went on to: without
/// any it would look as if somebody waited.
///
/// What nobody refers to goes with what it belonged to, as do all namespaces of a subgraph's call whose caller goes.
/// Writes whose checkpoint has not come stay, and so do blobs that no checkpoint ever named.
package struct PrunePlan: Sendable {
    /// Checkpoints that go, each with its writes; also places with writes alone, in namespaces that go entirely.
    package private(set) var deleted: Set<CheckpointPlace> = []
    package private(set) var blobs: Set<ThreadOutline.BlobKey> = []
    /// Checkpoints that stay and whose parent goes: they become first ones.
    package private(set) var orphaned: [CheckpointPlace] = []
    /// Checkpoints that stay.
    package private(set) var keptCount = 0
    /// Namespaces that go entirely: finished calls of subgraphs.
    private(set) var droppedNamespaces: Set<Identifier> = []

    /// Whether a blob is the whole value of a channel that otherwise keeps its writes.
    package typealias IsSnapshot = (ThreadOutline.BlobKey) throws(StoreError) -> Bool

    /// What a strategy keeps, and what is pinned.
    package init(
        _ strategy: PruneStrategy,
        of outline: ThreadOutline,
        pins: Set<CheckpointPlace>,
        isSnapshot: IsSnapshot
    ) throws(StoreError) {
        switch strategy {
        case .keepLatest(let count):
            self = try PrunePlan(keepingLast: count, of: outline, pins: pins, isSnapshot: isSnapshot)
        case .delete where outline.checkpoints.contains { pins.contains($0.place) }:
            self = try PrunePlan(keepingOnly: pins, of: outline, isSnapshot: isSnapshot)
        case .delete:
            self = PrunePlan(deletingAllOf: outline)
        }
    }

    /// Keeps the newest `count` checkpoints of each namespace, and what is named above.
    package init(
        keepingLast count: Int,
        of outline: ThreadOutline,
        pins: Set<CheckpointPlace> = [],
        isSnapshot: IsSnapshot
    ) throws(StoreError) {
        var closure = KeptCheckpoints(Lineage(outline))
        closure.keepNewest(count)
        closure.keepWaiting()
        closure.keepForkBases()
        closure.keep { pins.contains($0.place) }
        repeat { try closure.keepWhatOthersNeed(isSnapshot) } while closure.keepAnswers()
        droppedNamespaces = closure.dropFinishedCalls(except: pins)
        fill(closure)
        orphaned = orphans(of: outline)
    }

    /// Keeps what is pinned, with what its state is made from.
    private init(
        keepingOnly pins: Set<CheckpointPlace>,
        of outline: ThreadOutline,
        isSnapshot: IsSnapshot
    ) throws(StoreError) {
        var closure = KeptCheckpoints(Lineage(outline))
        closure.keep { pins.contains($0.place) }
        try closure.keepWhatOthersNeed(isSnapshot)
        fill(closure)
        deleted.formUnion(outline.writtenChannels.keys.filter { !closure.isKept($0) })
        orphaned = orphans(of: outline)
    }

    /// Deletes the checkpoints of runs, except pinned ones and those that the others' state is made from.
    ///
    /// A checkpoint whose parent goes keeps that parent's name.
    package init(
        deletingRuns runs: Set<Identifier>,
        of outline: ThreadOutline,
        pins: Set<CheckpointPlace> = [],
        isSnapshot: IsSnapshot
    ) throws(StoreError) {
        var closure = KeptCheckpoints(Lineage(outline))
        closure.keep { pins.contains($0.place) || !($0.content?.runID.map(runs.contains) ?? false) }
        try closure.keepWhatOthersNeed(isSnapshot)
        fill(closure)
    }

    /// Deletes everything.
    package init(deletingAllOf outline: ThreadOutline) {
        deleted = Set(outline.checkpoints.map(\.place)).union(outline.writtenChannels.keys)
        blobs = Set(outline.blobs.keys)
    }

    /// Whether nothing goes.
    package var isEmpty: Bool { deleted.isEmpty && blobs.isEmpty }

    private func orphans(of outline: ThreadOutline) -> [CheckpointPlace] {
        outline.checkpoints.filter { checkpoint in
            guard let parentID = checkpoint.parentID, !deleted.contains(checkpoint.place) else { return false }
            return deleted.contains(CheckpointPlace(namespace: checkpoint.place.namespace, id: parentID))
        }.map(\.place)
    }

    private mutating func fill(_ closure: KeptCheckpoints) {
        let outline = closure.outline
        keptCount = closure.kept.count
        var needed: Set<ThreadOutline.BlobKey> = []
        var unneeded: Set<ThreadOutline.BlobKey> = []
        for (index, checkpoint) in outline.checkpoints.enumerated() {
            let namespace = checkpoint.place.namespace
            let keys = (checkpoint.content?.versions ?? [:]).values.map {
                ThreadOutline.BlobKey(namespace: namespace, version: $0)
            }
            if closure.kept.contains(index) {
                needed.formUnion(keys)
            } else {
                unneeded.formUnion(keys)
                deleted.insert(checkpoint.place)
            }
        }
        blobs = Set(
            outline.blobs.keys.filter { key in
                if droppedNamespaces.contains(key.namespace) { return true }
                return unneeded.contains(key) && !needed.contains(key) && !closure.obscured.contains(key.namespace)
            }
        )
        for place in outline.writtenChannels.keys where droppedNamespaces.contains(place.namespace) {
            deleted.insert(place)
        }
    }
}

/// The set of checkpoints that stay, as it grows.
private struct KeptCheckpoints {
    private var lineage: Lineage
    private(set) var kept: Set<Int> = []
    private let deltaChannels: [Identifier: Set<Identifier>]
    private let unnamedDeltas: Set<Identifier>
    /// Channels whose whole replay is kept already, by checkpoint.
    private var replayed: [Int: Set<Identifier>] = [:]
    private var pending: [Int] = []
    /// Namespaces with something that cannot be read, all of which stays.
    let obscured: Set<Identifier>
    private var snapshots: [ThreadOutline.BlobKey: Bool] = [:]

    init(_ lineage: Lineage) {
        self.lineage = lineage
        var named: [Identifier: Set<Identifier>] = [:]
        var unnamed: Set<Identifier> = []
        for checkpoint in lineage.outline.checkpoints {
            guard let content = checkpoint.content else { continue }
            named[checkpoint.place.namespace, default: []].formUnion(content.deltaChannels)
            if content.hasUnnamedDeltas { unnamed.insert(checkpoint.place.namespace) }
        }
        deltaChannels = named
        unnamedDeltas = unnamed
        obscured = Set(lineage.outline.checkpoints.filter { $0.content == nil }.map(\.place.namespace))
    }

    var outline: ThreadOutline { lineage.outline }

    func isKept(_ place: CheckpointPlace) -> Bool {
        lineage.indexes[place].map(kept.contains) ?? false
    }

    private mutating func keep(_ index: Int) {
        if kept.insert(index).inserted { pending.append(index) }
    }

    mutating func keep(where condition: (CheckpointOutline) -> Bool) {
        for (index, checkpoint) in lineage.outline.checkpoints.enumerated() where condition(checkpoint) {
            keep(index)
        }
    }

    mutating func keepNewest(_ count: Int) {
        keep { $0.content == nil }
        let byNamespace = Dictionary(grouping: lineage.outline.checkpoints.indices) {
            lineage.checkpoint($0).place.namespace
        }
        for indexes in byNamespace.values {
            let newest = indexes.sorted { lineage.checkpoint($0).place > lineage.checkpoint($1).place }
            for index in newest.prefix(count) { keep(index) }
        }
    }

    /// Those with an interrupt that nobody has answered, and the checkpoints of the graphs around them.
    mutating func keepWaiting() {
        for index in lineage.outline.checkpoints.indices where lineage.isWaiting(index) {
            keep(index)
            for place in lineage.checkpoint(index).content?.parents ?? [] {
                if let outer = lineage.indexes[place] { keep(outer) }
            }
        }
    }

    /// The newest of the checkpoints that followed an answered interrupt, where none of them is kept; whether there was any.
    mutating func keepAnswers() -> Bool {
        for index in kept where lineage.hasWrite(to: .interruptChannel, at: index) && !lineage.isWaiting(index) {
            let steps = lineage.children[index].filter(lineage.isStep)
            guard !steps.contains(where: kept.contains) else { continue }
            if let newest = steps.max(by: { lineage.checkpoint($0).place < lineage.checkpoint($1).place }) {
                keep(newest)
            }
        }
        return !pending.isEmpty
    }

    mutating func keepForkBases() {
        for index in lineage.outline.checkpoints.indices where lineage.children[index].count > 1 { keep(index) }
    }

    mutating func keepWhatOthersNeed(_ isSnapshot: PrunePlan.IsSnapshot) throws(StoreError) {
        while let index = pending.popLast() {
            let checkpoint = lineage.checkpoint(index)
            guard let content = checkpoint.content else {
                // Nobody knows what it needs.
                if let parent = lineage.parents[index] { keep(parent) }
                continue
            }
            if content.sendsAreInParent, let parent = lineage.parents[index],
                lineage.hasWrite(to: .sendsChannel, at: parent)
            {
                keep(parent)
            }
            for channel in content.versions.keys where !lineage.hasValue(channel, at: index) {
                try keepReplay(of: channel, before: index, isSnapshot)
            }
        }
    }

    /// Keeps the ancestors that a channel without a value is made from, if it is a channel of that kind.
    private mutating func keepReplay(
        of channel: Identifier,
        before index: Int,
        _ isSnapshot: PrunePlan.IsSnapshot
    ) throws(StoreError) {
        guard let parent = lineage.parents[index], !(replayed[index]?.contains(channel) ?? false) else { return }
        let namespace = lineage.checkpoint(index).place.namespace
        guard obscured.contains(namespace) || lineage.isStored(channel, in: namespace) else { return }
        let source = lineage.source(of: channel, from: parent)
        var isReplayed = source.isWritten || source.isObscured
        if !isReplayed, let seed = source.seed {
            isReplayed = try isDelta(channel, seed, isSnapshot)
        }
        guard isReplayed else { return }
        var current = index
        while replayed[current, default: []].insert(channel).inserted, let ancestor = lineage.parents[current] {
            keep(ancestor)
            if ancestor == source.seed { break }
            current = ancestor
        }
    }

    private mutating func isDelta(
        _ channel: Identifier, _ seed: Int, _ isSnapshot: PrunePlan.IsSnapshot
    ) throws(StoreError) -> Bool {
        let checkpoint = lineage.checkpoint(seed)
        let namespace = checkpoint.place.namespace
        if unnamedDeltas.contains(namespace) || deltaChannels[namespace]?.contains(channel) ?? false { return true }
        guard let version = checkpoint.content?.versions[channel] else { return false }
        let key = ThreadOutline.BlobKey(namespace: namespace, version: version)
        guard lineage.outline.blobs[key] == true else { return false }
        if let known = snapshots[key] { return known }
        let found = try isSnapshot(key)
        snapshots[key] = found
        return found
    }

    /// Namespaces of subgraph calls (their name has a colon) whose caller, a checkpoint of the root graph, is there and
    /// goes.
    mutating func dropFinishedCalls(except pins: Set<CheckpointPlace>) -> Set<Identifier> {
        var heads: [Identifier: Int] = [:]
        for (index, checkpoint) in lineage.outline.checkpoints.enumerated() {
            let namespace = checkpoint.place.namespace
            guard namespace.text.utf8.contains(UInt8(ascii: ":")) else { continue }
            if let head = heads[namespace], lineage.checkpoint(head).place > checkpoint.place { continue }
            heads[namespace] = index
        }
        let finished = heads.filter { _, head in
            let caller = lineage.checkpoint(head).content?.parents.first { $0.namespace.isEmpty }
            return caller.flatMap { lineage.indexes[$0] }.map { !kept.contains($0) } ?? false
        }
        // What cannot be read stays, and who waits, and where something is pinned.
        let waiting = Set(
            lineage.outline.checkpoints.indices.filter(lineage.isWaiting).map { lineage.checkpoint($0).place.namespace }
        )
        let pinned = Set(pins.filter { lineage.indexes[$0] != nil }.map(\.namespace))
        let dropped = Set(finished.keys).subtracting(obscured).subtracting(waiting).subtracting(pinned)
        kept = kept.filter { !dropped.contains(lineage.checkpoint($0).place.namespace) }
        return dropped
    }
}

extension ChannelBlob {
    /// Whether bytes begin like LangGraph's `_DeltaSnapshot`: MessagePack's extension 7.
    ///
    /// `type` is the serialiser's tag: a value that the client encrypted cannot be told apart, and is none. One that Milepost
    /// sealed says so itself. Of the bytes the first six are enough.
    package static func isDeltaSnapshot(type: String, start: some Collection<UInt8>) -> Bool {
        guard type == "msgpack", let first = start.first else { return false }
        if SealedValue.isSnapshot(start) { return true }
        let header: Int
        switch first {
        case 0xD4...0xD8: header = 1
        case 0xC7: header = 2
        case 0xC8: header = 3
        case 0xC9: header = 5
        default: return false
        }
        return start.dropFirst(header).first == 7
    }
}
