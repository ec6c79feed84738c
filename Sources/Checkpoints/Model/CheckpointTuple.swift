/// A checkpoint with all that belongs to it, read in one snapshot.
package struct CheckpointTuple: Hashable, Sendable {
    package let checkpoint: Checkpoint
    /// The blobs that the document's `channel_versions` name and the store has, in the order named there.
    package let blobs: [ChannelBlob]
    /// In (task path, task id, index) order, texts by their UTF-8 bytes: the order LangGraph expects.
    package let pendingWrites: [PendingWrite]

    package init(checkpoint: Checkpoint, blobs: [ChannelBlob], pendingWrites: [PendingWrite]) {
        self.checkpoint = checkpoint
        self.blobs = blobs
        self.pendingWrites = pendingWrites
    }
}
