package import Checkpoints
import JSON

extension PostgresStore: DirectStore {
    package func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) async throws(StoreError) {
        try await perform(.put(checkpoint, blobs), "put a checkpoint")
    }

    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        writer.add(Change(.put(checkpoint, blobs), "put a checkpoint", then: answer))
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> CheckpointTuple? {
        let result: Result<CheckpointTuple?, StoreError> = await withCheckedContinuation { continuation in
            tuple(in: thread, namespace: namespace, id: id) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    ) {
        readers.add(TupleQuery(thread: thread, namespace: namespace, id: id).read(then: answer))
    }

    package func list(_ query: CheckpointQuery) async throws(StoreError) -> [Checkpoint] {
        let result: Result<[Checkpoint], StoreError> = await withCheckedContinuation { continuation in
            list(query) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }

    package func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<[Checkpoint], StoreError>) -> Void
    ) {
        readers.add(ListQuery(query).read(then: answer))
    }
}
