package import Checkpoints

extension PostgresStore {
    package func putWrites(
        _ groups: [WriteGroup],
        for checkpoint: CheckpointKey,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        guard groups.contains(where: { !$0.writes.isEmpty }) else { return answer(.success(())) }
        writer.add(Change(.writes(groups, checkpoint), "put writes", then: answer))
    }
}
