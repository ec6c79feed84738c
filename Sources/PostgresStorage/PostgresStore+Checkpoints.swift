package import Checkpoints
import JSON
import Synchronization

extension PostgresStore: DirectStore {
    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation,
        then answer: @escaping @Sendable (Result<PutOutcome, StoreError>) -> Void
    ) {
        let operation = "put a checkpoint"
        guard case .head = head else {
            let change = Change(.put(checkpoint, blobs), operation) { answer($0.map { .stored }) }
            return writer.add(change)
        }
        let outcome = Mutex(PutOutcome.stored)
        let edit = ThreadEdit(telling: {
            outcome.withLock { $0 == .stored } ? ThreadChange(checkpoint) : nil
        }) { transaction throws(PostgresFailure) in
            let found = try transaction.head(of: checkpoint.key)
            if head.allows(checkpoint, head: found) {
                outcome.withLock { $0 = .stored }
                let batch = WriteBatch(checkpoint, blobs, isRewritten: transaction.isRewritten)
                return try transaction.run(batch.statements)
            }
            // The answer to its first time may have been lost, and another have come since.
            guard !transaction.isInDoubt else { throw .undecided }
            outcome.withLock { $0 = .refused(head: found?.key.id) }
        }
        writer.add(Change(.edit(checkpoint.key.thread, edit), operation) { answer($0.map { outcome.withLock { $0 } }) })
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    ) {
        readers.add(TupleQuery(thread: thread, namespace: namespace, id: id, parts: parts).read(then: answer))
    }

    package func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void
    ) {
        readers.add(ListQuery(query).read(then: answer))
    }

    package func history(
        of channels: [Identifier],
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> [ChannelHistory] {
        let query = HistoryQuery(channels: channels, thread: thread, namespace: namespace, id: id)
        return try await answered { readers.add(query.read(then: $0)) }
    }
}
