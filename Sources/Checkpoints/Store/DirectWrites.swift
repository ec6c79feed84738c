/// A store that takes writes from a caller without a task, such as a connection's event loop.
///
/// The same call as `CheckpointStore.putWrites`, with the same promises.
package protocol DirectWrites: Sendable {
    /// Returns at once.
    ///
    /// `answer` is called exactly once, when the writes are durable or have failed, on a thread of the store's, which
    /// it must not hold up.
    func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    )
}
