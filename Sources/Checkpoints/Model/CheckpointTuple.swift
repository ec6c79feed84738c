/// A checkpoint with all that belongs to it, read in one snapshot.
package struct CheckpointTuple: Hashable, Sendable {
    package let checkpoint: Checkpoint
    /// The blobs that the document's `channel_versions` name and the store has, in the order named there.
    package let blobs: [ChannelBlob]
    /// In (task path, task id, index) order, texts by their UTF-8 bytes: the order LangGraph expects.
    package let pendingWrites: [PendingWrite]
    /// What the parent's tasks wrote to `__pregel_tasks`, in the same order.
    ///
    /// Empty unless it was asked for and `Checkpoint.sendsAreInParent`.
    package let parentSends: [PendingWrite]

    package init(
        checkpoint: Checkpoint,
        blobs: [ChannelBlob] = [],
        pendingWrites: [PendingWrite] = [],
        parentSends: [PendingWrite] = []
    ) {
        self.checkpoint = checkpoint
        self.blobs = blobs
        self.pendingWrites = pendingWrites
        self.parentSends = parentSends
    }
}

extension CheckpointTuple {
    /// Bytes of its blobs and writes, as a page of tuples counts them.
    package var partBytes: Int {
        blobs.reduce(0) { $0 + ($1.bytes?.count ?? 0) }
            + pendingWrites.reduce(0) { $0 + $1.bytes.count }
            + parentSends.reduce(0) { $0 + $1.bytes.count }
    }
}
