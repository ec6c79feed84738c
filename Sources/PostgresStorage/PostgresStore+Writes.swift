package import Checkpoints

extension PostgresStore {
    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) async throws(StoreError) {
        let outcome: Result<Void, StoreError> = await withCheckedContinuation { continuation in
            putWrites(writes, for: checkpoint, onConflict: policy) { continuation.resume(returning: $0) }
        }
        try outcome.get()
    }

    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        writer.add(Change(.writes(writes, checkpoint, policy), "put writes", then: answer))
    }
}
