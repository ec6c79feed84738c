/// A store that also serves a caller without a task, such as a connection's event loop.
///
/// The same calls as `CheckpointStore`'s, with the same promises. Each returns at once. `answer` is called exactly once,
/// on a thread of the store's, which it must not hold up; for a change, when it is durable or has failed.
package protocol DirectStore: CheckpointStore {
    func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation,
        then answer: @escaping @Sendable (Result<PutOutcome, StoreError>) -> Void
    )

    func putWrites(
        _ groups: [WriteGroup],
        for checkpoint: CheckpointKey,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    )

    func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    )

    func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void
    )
}

extension DirectStore {
    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation
    ) async throws(StoreError) -> PutOutcome {
        try await answered { put(checkpoint, blobs: blobs, expecting: head, then: $0) }
    }

    package func putWrites(_ groups: [WriteGroup], for checkpoint: CheckpointKey) async throws(StoreError) {
        try await answered { putWrites(groups, for: checkpoint, then: $0) }
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts
    ) async throws(StoreError) -> CheckpointTuple? {
        try await answered { tuple(in: thread, namespace: namespace, id: id, parts: parts, then: $0) }
    }

    package func list(_ query: CheckpointQuery) async throws(StoreError) -> CheckpointPage {
        try await answered { list(query, then: $0) }
    }
}

/// Waits for what a call that takes no task answers.
package func answered<Value: Sendable>(
    _ ask: (@escaping @Sendable (Result<Value, StoreError>) -> Void) -> Void
) async throws(StoreError) -> Value {
    let result: Result<Value, StoreError> = await withCheckedContinuation { continuation in
        ask { continuation.resume(returning: $0) }
    }
    return try result.get()
}
