package import JSON

/// What made a channel's value, for a channel that stores its writes and only now and then its whole value
/// (LangGraph's delta channels).
package struct ChannelHistory: Hashable, Sendable {
    /// Where the replay begins.
    package enum Seed: Hashable, Sendable {
        case blob(ChannelBlob)
        /// What the document's `channel_values` has.
        case value(JSONText)
    }

    package let channel: Identifier
    /// Nil when no ancestor has a value: the replay begins with nothing.
    package let seed: Seed?
    /// Oldest checkpoint first, within one in (task path, task id, index) order.
    ///
    /// The writes of the seed's checkpoint are among them, because the seed is the value that checkpoint began with; the
    /// target's own are not.
    package let writes: [PendingWrite]

    package init(channel: Identifier, seed: Seed?, writes: [PendingWrite]) {
        self.channel = channel
        self.seed = seed
        self.writes = writes
    }
}

/// Gathers histories from a checkpoint's ancestors, nearest first.
package struct HistoryWalk {
    private var open: Set<Identifier>
    private var seeds: [Identifier: ChannelHistory.Seed] = [:]
    private var writes: [Identifier: [[PendingWrite]]] = [:]
    private let channels: [Identifier]

    package init(_ channels: [Identifier]) {
        self.channels = channels
        open = Set(channels)
    }

    /// Channels that still look for their seed; when there are none the walk is over.
    package var openChannels: Set<Identifier> { open }

    /// Takes the next ancestor, with its pending writes in order and the blobs that its document names.
    ///
    /// Those of other channels are ignored. Throws when the document is not JSON.
    package mutating func add(
        _ ancestor: Checkpoint,
        _ pendingWrites: [PendingWrite],
        _ blobs: [ChannelBlob]
    ) throws(JSONError) {
        for (channel, own) in Dictionary(grouping: pendingWrites, by: \.channel) where open.contains(channel) {
            writes[channel, default: []].append(own)
        }
        for blob in blobs where open.contains(blob.channel) && blob.hasValue {
            seeds[blob.channel] = .blob(blob)
            open.remove(blob.channel)
        }
        guard !open.isEmpty, case .object(let members)? = try ancestor.document.channelValues else { return }
        // Of a name that is there twice the last counts.
        for member in members.reversed() {
            guard let channel = member.name.string.map({ Identifier($0) }), open.contains(channel) else { continue }
            seeds[channel] = .value(member.value.text)
            open.remove(channel)
        }
    }

    /// In the order asked for, each channel once.
    package var histories: [ChannelHistory] {
        var seen: Set<Identifier> = []
        return channels.filter { seen.insert($0).inserted }.map { channel in
            ChannelHistory(
                channel: channel,
                seed: seeds[channel],
                writes: (writes[channel] ?? []).reversed().flatMap(\.self)
            )
        }
    }
}

/// The same walk for who reads one ancestor after the other as a tuple.
package struct AncestorWalk {
    private var walk: HistoryWalk
    private var seen: Set<Identifier> = []
    private var parent: Identifier?

    /// Begins with the parent of `checkpoint`; nowhere when that is nil.
    package init(_ channels: [Identifier], from checkpoint: Checkpoint?) {
        walk = HistoryWalk(channels)
        parent = checkpoint?.parentID
    }

    /// The ancestor to read next; nil when the walk is over.
    package var next: Identifier? {
        guard let parent, !walk.openChannels.isEmpty, !seen.contains(parent) else { return nil }
        return parent
    }

    /// Takes the ancestor that was to be read next.
    package mutating func add(_ ancestor: CheckpointTuple) throws(StoreError) {
        do {
            try walk.add(ancestor.checkpoint, ancestor.pendingWrites, ancestor.blobs)
        } catch {
            throw StoreError(.corrupt, during: "read a history", detail: "a document is not JSON: \(error)")
        }
        seen.insert(ancestor.checkpoint.key.id)
        parent = ancestor.checkpoint.parentID
    }

    /// In the order asked for, each channel once.
    package var histories: [ChannelHistory] { walk.histories }
}

extension JSONText {
    /// What a checkpoint's document has in `channel_values`; nil when it has none.
    ///
    /// Throws for what is not JSON.
    var channelValues: JSONValue? {
        get throws(JSONError) { try member(Self.channelValuesField)?.value }
    }

    private static let channelValuesField = JSONFields([(name: "channel_values", shape: .value)])
}

extension ChannelBlob {
    /// Whether it is more than the note that the channel has no value at this version.
    package var hasValue: Bool { bytes != nil && type != "empty" }
}
