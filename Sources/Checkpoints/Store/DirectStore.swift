/// A store that also serves a caller without a task, such as a connection's event loop.
///
/// The same calls as `CheckpointStore`'s, with the same promises. Each returns at once. `answer` is called exactly once,
/// on a thread of the store's, which it must not hold up; for a change, when it is durable or has failed.
package protocol DirectStore: CheckpointStore {
    func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    )

    func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    )

    func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    )

    func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<[Checkpoint], StoreError>) -> Void
    )
}
