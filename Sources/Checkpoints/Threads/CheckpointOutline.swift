package import JSON

/// What must be known of a checkpoint to say whether others need it.
package struct CheckpointOutline: Sendable {
    package let place: CheckpointPlace
    package let parentID: Identifier?
    /// Nil when its document or its metadata cannot be read.
    package let content: Content?

    package struct Content: Sendable {
        /// By channel.
        package let versions: [Identifier: ChannelVersion]
        /// Channels that the document itself has a value of.
        package let inlineChannels: Set<Identifier>
        /// Whether the parent's writes have its sends: see `Checkpoint.sendsAreInParent`.
        package let sendsAreInParent: Bool
        /// The checkpoints of the graphs around it, by their namespaces.
        package let parents: [CheckpointPlace]
        /// `loop`, `input`, `update` or `fork`.
        package let source: String?
        /// Run that made it.
        package let runID: Identifier?
        /// When it was made: the document's `ts`.
        package let time: String?
        /// Channels that are said to keep their writes instead of their value.
        package let deltaChannels: Set<Identifier>
        /// Whether there are such channels and it is not said which.
        package let hasUnnamedDeltas: Bool
    }

    package init(_ checkpoint: Checkpoint) {
        place = CheckpointPlace(namespace: checkpoint.key.namespace, id: checkpoint.key.id)
        parentID = checkpoint.parentID
        // What is not JSON cannot be read, and says so by having no content.
        content = try? Content(checkpoint)
    }

    /// One that is there and cannot be read.
    package init(unreadable place: CheckpointPlace, parentID: Identifier?) {
        self.place = place
        self.parentID = parentID
        content = nil
    }
}

extension CheckpointOutline.Content {
    fileprivate init(_ checkpoint: Checkpoint) throws(JSONError) {
        let metadata = try checkpoint.metadata.value
        versions = Dictionary(try ChannelVersion.all(in: checkpoint.document).map { ($0.channel, $0) }) { $1 }
        inlineChannels = Set(try checkpoint.document.channelValues.memberNames)
        sendsAreInParent = checkpoint.sendsAreInParent
        source = metadata["source"]?.string
        runID = checkpoint.metadata.runID
        time = checkpoint.document.time
        let counters = metadata["counters_since_delta_snapshot"]
        deltaChannels = Set(counters.memberNames)
        hasUnnamedDeltas = metadata["delta_writes_versioned"] != nil
        guard case .object(let members)? = metadata["parents"] else {
            parents = []
            return
        }
        parents = members.compactMap { member in
            guard let namespace = Identifier(member.name), let id = Optional(member.value).identifier else {
                return nil
            }
            return CheckpointPlace(namespace: namespace, id: id)
        }
    }
}

extension JSONValue? {
    fileprivate var memberNames: [Identifier] {
        guard case .object(let members)? = self else { return [] }
        return members.compactMap { Identifier($0.name) }
    }

    fileprivate var identifier: Identifier? {
        guard case .string(let text)? = self else { return nil }
        return Identifier(text)
    }
}

extension JSONText {
    /// The run that a checkpoint's metadata names (`run_id`); nil when it is not a string, and for what is not JSON.
    package var runID: Identifier? {
        // What is not JSON names none.
        (try? value)?["run_id"].identifier
    }
}

/// What must be known of a thread to say what of it can go.
package struct ThreadOutline: Sendable {
    /// A blob's key within its thread.
    package struct BlobKey: Hashable, Sendable {
        package let namespace: Identifier
        package let version: ChannelVersion

        package init(namespace: Identifier, version: ChannelVersion) {
            self.namespace = namespace
            self.version = version
        }
    }

    package var checkpoints: [CheckpointOutline] = []
    /// All blobs, and whether each `hasValue`.
    package var blobs: [BlobKey: Bool] = [:]
    /// The channels that writes go to, by the checkpoint they follow, which need not be there.
    package var writtenChannels: [CheckpointPlace: Set<Identifier>] = [:]

    package init() {}
}
