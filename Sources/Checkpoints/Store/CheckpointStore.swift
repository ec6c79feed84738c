/// The calls that agents make.
///
/// Every store answers them alike; the conformance suite says how.
///
/// **Durability.** When a change returns, it survives the end of the process and, on a durable store, the loss of
/// power. When it throws `busy` or `full` nothing changed; when it throws anything else the outcome is unknown.
/// Every change can be sent again: the second time has no further effect.
///
/// **Atomicity.** Each change is all or nothing. A read sees one snapshot, and every change that returned before
/// the read began.
///
/// **Limits** of identifiers (`IdentifierLimit`) and of a query are checked by the caller.
package protocol CheckpointStore: Sendable {
    /// Stores a checkpoint and the blobs that came with it, in one transaction, if the namespace's head is the expected
    /// one.
    ///
    /// The same key again replaces document and metadata but never the parent. A blob is write-once for its
    /// (thread, namespace, channel, version): the first bytes stay, also among those of one call.
    func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation
    ) async throws(StoreError) -> PutOutcome

    /// Stores what tasks wrote after `checkpoint`, which need not exist yet, in one transaction, one group after the
    /// other.
    ///
    /// A write's key is its task id and index within the checkpoint. Nothing happens when there are no writes.
    func putWrites(_ groups: [WriteGroup], for checkpoint: CheckpointKey) async throws(StoreError)

    /// The checkpoint named, or the one with the greatest id in the namespace when `id` is nil, with its blobs
    /// and pending writes, and the sends of its parent if `parts` has them. Nil when there is none.
    func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts
    ) async throws(StoreError) -> CheckpointTuple?

    /// The checkpoints that `query` asks for, with the parts that it asks for.
    func list(_ query: CheckpointQuery) async throws(StoreError) -> CheckpointPage

    /// Deletes everything stored under the thread, in all namespaces, writes without a checkpoint too.
    /// A thread that does not exist is no error; for one that is held `held` is thrown.
    func deleteThread(_ thread: ThreadKey) async throws(StoreError)

    /// What made the channels' values at a checkpoint: the newest of the namespace when `id` is nil.
    ///
    /// In the order of `channels`, each once; all are empty when there is no such checkpoint. Costs a walk along the
    /// ancestors to where every channel has a value.
    func history(
        of channels: [Identifier],
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> [ChannelHistory]
}

extension CheckpointStore {
    package func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) async throws(StoreError) {
        _ = try await put(checkpoint, blobs: blobs, expecting: .any)
    }

    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) async throws(StoreError) {
        try await putWrites([WriteGroup(writes, onConflict: policy)], for: checkpoint)
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> CheckpointTuple? {
        try await tuple(in: thread, namespace: namespace, id: id, parts: .tuple)
    }
}
