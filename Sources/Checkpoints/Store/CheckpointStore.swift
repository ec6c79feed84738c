/// The five calls that agents make.
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
    /// Stores a checkpoint and the blobs that came with it, in one transaction.
    ///
    /// The same key again replaces document and metadata but never the parent. A blob is write-once for its
    /// (thread, namespace, channel, version): the first bytes stay, also among those of one call.
    func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) async throws(StoreError)

    /// Stores what a task wrote after `checkpoint`, which need not exist yet, in one transaction.
    ///
    /// A write's key is its task id and index within the checkpoint. Nothing happens when `writes` is empty.
    func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) async throws(StoreError)

    /// The checkpoint named, or the one with the greatest id in the namespace when `id` is nil, with its blobs
    /// and pending writes. Nil when there is none.
    func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> CheckpointTuple?

    /// The checkpoints that `query` asks for, without blobs and writes.
    func list(_ query: CheckpointQuery) async throws(StoreError) -> [Checkpoint]

    /// Deletes everything stored under the thread, in all namespaces, writes without a checkpoint too.
    /// A thread that does not exist is no error.
    func deleteThread(_ thread: ThreadKey) async throws(StoreError)
}
