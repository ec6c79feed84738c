import JSON

/// What a committed change did to a thread: ids, names of channels and counts, never a value.
package struct ThreadChange: Hashable, Sendable {
    package let thread: ThreadKey
    package let effect: Effect

    /// The kinds of it.
    package enum Effect: Hashable, Sendable {
        /// A checkpoint was put, or put again.
        case checkpoint(CheckpointStep)
        /// Tasks wrote something after a checkpoint, which need not be there yet; the channels are in no order.
        case writes(CheckpointPlace, [WrittenChannel])
        /// Checkpoints went, and others stay.
        case pruned
        /// Everything went.
        case deleted
        /// It was made of another thread, or rows were added to it by an import: what it has must be read.
        case replaced
        /// Something may have happened that is not told: what it has must be read.
        case missed
    }

    package init(_ thread: ThreadKey, _ effect: Effect) {
        self.thread = thread
        self.effect = effect
    }

    package init(_ checkpoint: Checkpoint) {
        self.init(checkpoint.key.thread, .checkpoint(CheckpointStep(checkpoint)))
    }

    package init(_ groups: [WriteGroup], for key: CheckpointKey) {
        let written = groups.flatMap { $0.writes.map { WrittenChannel($0) } }
        self.init(key.thread, .writes(CheckpointPlace(namespace: key.namespace, id: key.id), written))
    }
}

/// A checkpoint as its followers are told of it.
package struct CheckpointStep: Hashable, Sendable {
    package let place: CheckpointPlace
    package let parentID: Identifier?
    /// `loop`, `input`, `update` or `fork`, as its metadata says; nil when they do not.
    package let source: String?
    /// The number of the step in its run, as its metadata says; nil when they do not, or have no integer (`1e0` is one,
    /// `1.0` is not: `jsonb` keeps that much).
    package let step: Int?

    package init(place: CheckpointPlace, parentID: Identifier?, source: String?, step: Int?) {
        self.place = place
        self.parentID = parentID
        self.source = source
        self.step = step
    }

    /// Costs reading its metadata.
    package init(_ checkpoint: Checkpoint) {
        // What is not JSON says nothing.
        let metadata = try? checkpoint.metadata.value
        var source: String?
        if case .string(let text)? = metadata?["source"] { source = text.label }
        var step: Int?
        if case .number(let number)? = metadata?["step"] { step = Int(number.pythonText) }
        self.init(
            place: CheckpointPlace(namespace: checkpoint.key.namespace, id: checkpoint.key.id),
            parentID: checkpoint.parentID,
            source: source,
            step: step
        )
    }
}

/// One write without its value.
package struct WrittenChannel: Hashable, Sendable {
    package let taskID: Identifier
    package let index: Int32
    package let channel: Identifier

    package init(taskID: Identifier, index: Int32, channel: Identifier) {
        self.taskID = taskID
        self.index = index
        self.channel = channel
    }

    package init(_ write: PendingWrite) {
        self.init(taskID: write.taskID, index: write.index, channel: write.channel)
    }

    /// Whether it asks somebody for an answer.
    package var isInterrupt: Bool { channel == "__interrupt__" }
}
