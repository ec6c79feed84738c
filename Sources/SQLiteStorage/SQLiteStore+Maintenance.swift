package import Checkpoints
import GRDB
import Synchronization

extension SQLiteStore: StoreMaintenance {
    package func deleteThread(_ thread: ThreadKey) async throws(StoreError) {
        let operation = "delete a thread"
        let isHeld = Mutex(false)
        let effect = writer.effect({ isHeld.withLock { $0 } ? nil : ThreadChange(thread, .deleted) })
        try await writer.perform(operation, telling: effect) { transaction in
            let found = try StoredSettings.isHeld(thread, transaction.db)
            isHeld.withLock { $0 = found }
            if !found { try Self.deleteThread(thread, transaction) }
        }
        if isHeld.withLock({ $0 }) { throw StoreError(.held, during: operation) }
    }

    static func deleteThread(_ thread: ThreadKey, _ transaction: SQLiteWriter.Transaction) throws {
        let db = transaction.db
        let number = try thread.number(in: db)
        for (id, namespace) in try placesOfWrites(thread, number, db) {
            let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
            try db.delete(from: "writes", at: key)
            try db.delete(from: "awaited_checkpoints", at: key)
        }
        try StoredSettings.delete(thread, db)
        transaction.forget(thread, number)
        guard let number else { return }
        for table in ["checkpoints", "blobs"] {
            try db.cachedStatement(sql: "DELETE FROM \(table) WHERE thread = ?").run { $0.bind(number) }
        }
        try db.cachedStatement(sql: "DELETE FROM threads WHERE tenant = ? AND thread_id = ?").run {
            $0.bind(thread.tenant.name)
            $0.bind(packed: thread.id)
        }
    }

    /// The checkpoints under which a thread may have writes: its own, and those that never came.
    ///
    /// Looks at every checkpoint that is awaited, of any thread: normally a handful, those being put just now.
    static func placesOfWrites(
        _ thread: ThreadKey,
        _ number: Int64?,
        _ db: Database
    ) throws -> [(id: Identifier, namespace: Identifier)] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_id, checkpoint_ns FROM checkpoints WHERE thread = ?
                UNION ALL
                SELECT checkpoint_id, checkpoint_ns FROM awaited_checkpoints WHERE thread_id = ? AND tenant = ?
                """
        )
        var places: [(id: Identifier, namespace: Identifier)] = []
        try statement.forEachRow { parameters in
            parameters.bind(number ?? -1)
            parameters.bind(packed: thread.id)
            parameters.bind(thread.tenant.name)
        } _: { row in
            places.append((row.packed(0), row.identifier(1)))
            return true
        }
        return places
    }

    package func probe() async throws(StoreError) {
        try await writer.perform("probe the store") { transaction in
            let statement = try transaction.db.cachedStatement(
                sql: """
                    INSERT INTO probes (probe, count) VALUES (1, 1)
                    ON CONFLICT (probe) DO UPDATE SET count = count + 1
                    """
            )
            try statement.execute()
        }
    }
}

extension SQLiteStore {
    /// Transactions committed since the store was opened.
    package var commitCount: Int { writer.commitCount }
}
