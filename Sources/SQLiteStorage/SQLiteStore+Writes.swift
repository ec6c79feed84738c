package import Checkpoints
import GRDB

extension SQLiteStore {
    package func putWrites(
        _ groups: [WriteGroup],
        for checkpoint: CheckpointKey,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        let insertions = groups.filter { !$0.writes.isEmpty }.map { group in
            Self.insertion(of: group.writes, for: checkpoint, group.policy)
        }
        guard let first = insertions.first else { return answer(.success(())) }
        let effect = writer.effect({ ThreadChange(groups, for: checkpoint) })
        if insertions.count == 1 { return writer.perform("put writes", telling: effect, first, then: answer) }
        writer.perform(
            "put writes",
            telling: effect,
            { transaction in
                for insertion in insertions { try insertion(transaction) }
            },
            then: answer
        )
    }

    /// The rows are made here, before the writer's turn comes.
    static func insertion(
        of writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        _ policy: WriteConflictPolicy
    ) -> @Sendable (SQLiteWriter.Transaction) throws -> Void {
        let tasks = TaskWrites.all(in: writes, after: checkpoint, onConflict: policy)
        return { transaction in
            transaction.watched.touch(checkpoint.thread)
            try awaitCheckpoint(checkpoint, transaction)
            let statement = try transaction.db.cachedStatement(
                sql: """
                    INSERT INTO writes (checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, encoding, payload)
                    VALUES (?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT DO NOTHING
                    """
            )
            for task in tasks {
                try task.insert(checkpoint, with: statement)
                if transaction.db.changesCount == 0 {
                    try merge(task, into: checkpoint, policy, transaction)
                } else {
                    task.noteKept(transaction)
                }
            }
        }
    }

    /// Notes a checkpoint that is not there, so that its writes are found when the thread is deleted.
    private static func awaitCheckpoint(_ checkpoint: CheckpointKey, _ transaction: SQLiteWriter.Transaction) throws {
        guard !transaction.checkpoints.contains(checkpoint) else { return }
        let statement = try transaction.db.cachedStatement(
            sql: """
                INSERT INTO awaited_checkpoints (checkpoint_id, thread_id, tenant, checkpoint_ns)
                SELECT ?1, ?2, ?3, ?4
                WHERE NOT EXISTS (
                    SELECT 1 FROM threads CROSS JOIN checkpoints USING (thread)
                    WHERE tenant = ?3 AND thread_id = ?2 AND checkpoint_ns = ?4 AND checkpoint_id = ?5
                )
                ON CONFLICT DO NOTHING
                """
        )
        try statement.run { parameters in
            parameters.bind(checkpoint)
            parameters.bind(checkpoint.id)
        }
    }

    /// Adds to the writes that the task has already.
    private static func merge(
        _ task: TaskWrites,
        into checkpoint: CheckpointKey,
        _ policy: WriteConflictPolicy,
        _ transaction: SQLiteWriter.Transaction
    ) throws {
        let db = transaction.db
        let find = try db.cachedStatement(
            sql: """
                SELECT write, encoding, payload FROM writes
                WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ? AND task_id = ?
                """
        )
        let found = try find.firstRow { parameters in
            parameters.bind(checkpoint)
            parameters.bind(packed: task.id)
        } _: { row in
            (number: row.integer(0), stored: try row.stored(encoding: 1, payload: 2))
        }
        guard let found else {
            throw StoreError(.unexpected, during: "put writes", detail: "a task has a row and is not found")
        }
        let name = RowName.writes(of: task.id, after: checkpoint)
        let stored = try found.stored.value(named: name)
        let writes = try StoredWrites.decoded(stored, task: task.id)
        let merged = StoredWrites.encoded(StoredWrites.merged(writes, with: task.writes, onConflict: policy))
        guard merged != stored else { return }
        guard merged.count <= StoredWrites.limit else {
            throw StoreError(
                .tooLarge, during: "put writes", detail: "the writes of a task come to \(merged.count) bytes")
        }
        let update = try db.cachedStatement(sql: "UPDATE writes SET encoding = ?, payload = ? WHERE write = ?")
        let value = TaskWrites.value(ofEncoded: merged, named: name)
        transaction.kept(value, logical: merged.count)
        try value.payload.withBytes { payload in
            try update.run { parameters in
                parameters.bind(value.code)
                parameters.bind(inPlace: payload)
                parameters.bind(found.number)
            }
        }
    }

    /// In (task_path, task id, index) order.
    static func pendingWrites(of checkpoint: CheckpointKey, in db: Database) throws -> [PendingWrite] {
        var writes: [PendingWrite] = []
        try forEachTask(of: checkpoint, in: db) { found, _ in writes += try found.get() }
        writes.sort(by: PendingWrite.precedes)
        return writes
    }

    /// Calls `body` with what each task wrote after the checkpoint, or why that cannot be read, and with the bytes it takes.
    static func forEachTask(
        of checkpoint: CheckpointKey,
        in db: Database,
        _ body: (_ writes: Result<[PendingWrite], any Error>, _ bytes: Int) throws -> Void
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT task_id, encoding, payload FROM writes
                WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ?
                """
        )
        try statement.forEachRow {
            $0.bind(checkpoint)
        } _: { row in
            let writes: Result<[PendingWrite], any Error>
            do {
                let task = row.packed(0)
                let value = try row.stored(encoding: 1, payload: 2).value(named: .writes(of: task, after: checkpoint))
                writes = .success(try StoredWrites.decoded(value, task: task))
            } catch {
                writes = .failure(error)
            }
            try body(writes, row.byteCount(2))
            return true
        }
    }
}

/// What one request writes for one task, as the row that it becomes when the task has none.
struct TaskWrites: Sendable {
    let id: Identifier
    let writes: [PendingWrite]
    private let value: StoredBytes
    private let encodedCount: Int

    private static let smallestFrame = 400
    private static let largestFrame = 128 << 10

    /// The writes of a task, of which no two have one index; not empty.
    ///
    /// Nil for a name makes what layout 3 had.
    init(_ writes: [PendingWrite], named name: RowName?) {
        id = writes[0].taskID
        self.writes = writes
        let encoded = StoredWrites.encoded(writes)
        encodedCount = encoded.count
        value = Self.value(ofEncoded: encoded, named: name)
    }

    /// Short ones are kept as they came: there are many, and compressing them would gain little.
    ///
    /// So are very long ones: compressing them would hold up the connections that share this thread.
    static func value(ofEncoded writes: [UInt8], named name: RowName?) -> StoredBytes {
        writes.count > largestFrame
            ? .kept(writes, named: name) : .alone(writes, named: name, smallestFrame: smallestFrame)
    }

    /// The tasks of a request, in its order.
    static func all(
        in writes: [PendingWrite],
        after checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) -> [TaskWrites] {
        func row(_ writes: [PendingWrite]) -> TaskWrites {
            TaskWrites(writes, named: .writes(of: writes[0].taskID, after: checkpoint))
        }
        if writes.count == 1 { return [row(writes)] }
        var tasks: [[PendingWrite]] = []
        var places: [Identifier: Int] = [:]
        for write in writes {
            if let place = places[write.taskID] {
                tasks[place].append(write)
            } else {
                places[write.taskID] = tasks.count
                tasks.append([write])
            }
        }
        return tasks.map { row(StoredWrites.merged([], with: $0, onConflict: policy)) }
    }

    func noteKept(_ transaction: SQLiteWriter.Transaction) {
        transaction.kept(value, logical: encodedCount)
    }

    /// Binds seven parameters: a checkpoint, the task, an encoding and a payload.
    func insert(_ checkpoint: CheckpointKey, with statement: Statement) throws {
        try value.payload.withBytes { payload in
            try statement.run { parameters in
                parameters.bind(checkpoint)
                parameters.bind(packed: id)
                parameters.bind(value.code)
                parameters.bind(inPlace: payload)
            }
        }
    }
}
