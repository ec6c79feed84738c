package import Checkpoints
import GRDB

extension SQLiteStore {
    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) async throws(StoreError) {
        guard !writes.isEmpty else { return }
        try await writer.perform("put writes", Self.insertion(of: writes, for: checkpoint, policy))
    }

    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        guard !writes.isEmpty else { return answer(.success(())) }
        writer.perform("put writes", Self.insertion(of: writes, for: checkpoint, policy), then: answer)
    }

    private static func insertion(
        of writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        _ policy: WriteConflictPolicy
    ) -> @Sendable (SQLiteWriter.Transaction) throws -> Void {
        let stored = writes.map { StoredBlob.plain($0.bytes) }
        return { transaction in
            try awaitCheckpoint(checkpoint, transaction)
            let statement = try transaction.db.cachedStatement(sql: insertWrite(policy))
            for (write, blob) in zip(writes, stored) {
                try insert(write, blob, checkpoint, statement)
            }
        }
    }

    /// Notes a checkpoint that is not there, so that its writes are found when the thread is deleted.
    private static func awaitCheckpoint(_ checkpoint: CheckpointKey, _ transaction: SQLiteWriter.Transaction) throws {
        guard try !transaction.checkpoints.contains(checkpoint, in: transaction.db) else { return }
        let statement = try transaction.db.cachedStatement(
            sql: """
                INSERT INTO awaited_checkpoints (checkpoint_id, thread_id, tenant, checkpoint_ns) VALUES (?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """
        )
        try statement.run { $0.bind(checkpoint) }
    }

    private static func insert(
        _ write: PendingWrite,
        _ blob: StoredBlob,
        _ checkpoint: CheckpointKey,
        _ statement: Statement
    ) throws {
        try blob.payload.withBytes { payload in
            try statement.run { parameters in
                parameters.bind(checkpoint)
                parameters.bind(write.taskID)
                parameters.bind(Int64(write.index))
                parameters.bind(write.channel)
                parameters.bind(write.type)
                parameters.bind(write.taskPath)
                parameters.bind(blob.encoding.rawValue)
                parameters.bind(inPlace: payload)
            }
        }
    }

    /// In (task path, task id, index) order.
    static func pendingWrites(of checkpoint: CheckpointKey, in db: Database) throws -> [PendingWrite] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT task_id, idx, channel, type, task_path, encoding, payload FROM writes
                WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ?
                ORDER BY task_path, task_id, idx
                """
        )
        var writes: [PendingWrite] = []
        try statement.forEachRow {
            $0.bind(checkpoint)
        } _: { row in
            let write = PendingWrite(
                taskID: row.identifier(0),
                index: Int32(truncatingIfNeeded: row.integer(1)),
                channel: row.identifier(2),
                type: row.optionalText(3),
                bytes: try row.storedBlob(encoding: 5, payload: 6).bytes() ?? [],
                taskPath: row.identifier(4)
            )
            writes.append(write)
            return true
        }
        return writes
    }

    private static func insertWrite(_ policy: WriteConflictPolicy) -> String {
        let insert = """
            INSERT INTO writes (
                checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, idx,
                channel, type, task_path, encoding, payload
            )
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT
            """
        return switch policy {
        case .keepFirst: insert + " DO NOTHING"
        case .replace:
            insert + """
                 (checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, idx)
                DO UPDATE SET channel = excluded.channel, type = excluded.type, encoding = excluded.encoding,
                    payload = excluded.payload
                """
        }
    }
}
