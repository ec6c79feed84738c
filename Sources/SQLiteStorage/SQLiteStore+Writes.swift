package import Checkpoints
import GRDB

extension SQLiteStore {
    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) async throws(StoreError) {
        guard !writes.isEmpty else { return }
        try await writer.perform("put writes") { db in
            let thread = try checkpoint.thread.numberForWriting(in: db)
            let statement = try db.cachedStatement(sql: Self.insertWrite(policy))
            for write in writes {
                let stored = StoredBlob(encoding: write.bytes)
                try statement.execute(arguments: [
                    thread, checkpoint.namespace.text, checkpoint.id.text, write.taskID.text, write.index,
                    write.channel.text, write.type, write.taskPath.text, stored.encoding.rawValue,
                    stored.payload?.data,
                ])
            }
        }
    }

    /// In (task path, task id, index) order.
    static func pendingWrites(
        of checkpoint: CheckpointKey,
        thread: Int64,
        in db: Database
    ) throws -> [PendingWrite] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT task_id, idx, channel, type, task_path, encoding, payload FROM writes
                WHERE thread = ? AND checkpoint_ns = ? AND checkpoint_id = ?
                ORDER BY task_path, task_id, idx
                """
        )
        let rows = try Row.fetchCursor(
            statement,
            arguments: [thread, checkpoint.namespace.text, checkpoint.id.text]
        )
        var writes: [PendingWrite] = []
        while let row = try rows.next() {
            let write = PendingWrite(
                taskID: row.identifier(0),
                index: row[1],
                channel: row.identifier(2),
                type: row[3],
                bytes: try row.storedBlob(encoding: 5, payload: 6).bytes ?? [],
                taskPath: row.identifier(4)
            )
            writes.append(write)
        }
        return writes
    }

    private static func insertWrite(_ policy: WriteConflictPolicy) -> String {
        let insert = """
            INSERT INTO writes
                (thread, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, task_path, encoding, payload)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (thread, checkpoint_ns, checkpoint_id, task_id, idx)
            """
        return switch policy {
        case .keepFirst: insert + " DO NOTHING"
        case .replace:
            insert + """
                 DO UPDATE SET channel = excluded.channel, type = excluded.type, encoding = excluded.encoding,
                    payload = excluded.payload
                """
        }
    }
}

extension Row {
    func storedBlob(encoding: Int, payload: Int) throws -> StoredBlob {
        guard let blob = StoredBlob(encoding: self[encoding], payload: try bytes(payload)) else {
            throw StoreError(.corrupt, during: "read a blob", detail: "a row has an unknown encoding")
        }
        return blob
    }
}
