package import Checkpoints
import GRDB
import JSON

extension SQLiteStore: DirectStore {
    package func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) async throws(StoreError) {
        let outcome: Result<Void, StoreError> = await withCheckedContinuation { continuation in
            put(checkpoint, blobs: blobs) { continuation.resume(returning: $0) }
        }
        try outcome.get()
    }

    /// Blobs are compressed before the writer's turn comes: here if all are short, else on a reader's thread, which
    /// compares long ones with their versions before.
    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        let operation = "put a checkpoint"
        let stored = StoredCheckpoint.value(metadata: checkpoint.metadata, document: checkpoint.document)
        @Sendable func write(_ placed: [BlobChain.Placed]) {
            writer.perform(operation, Self.insertion(of: checkpoint, stored, placed), then: answer)
        }
        guard blobs.contains(where: BlobChain.isChained) else {
            return write(blobs.map { .alone($0) })
        }
        readers.perform(operation) { snapshot in
            let thread = try checkpoint.key.thread.number(in: snapshot.db)
            return try blobs.map { blob in
                try BlobChain.place(blob, thread: thread, namespace: checkpoint.key.namespace, in: snapshot)
            }
        } then: { result in
            switch result {
            case .success(let placed): write(placed)
            case .failure(let error): answer(.failure(error))
            }
        }
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> CheckpointTuple? {
        try await readers.perform("read a checkpoint", Self.reading(thread, namespace, id))
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    ) {
        readers.perform("read a checkpoint", Self.reading(thread, namespace, id), then: answer)
    }

    package func list(_ query: CheckpointQuery) async throws(StoreError) -> [Checkpoint] {
        try await readers.perform("list checkpoints", Self.listing(query))
    }

    package func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<[Checkpoint], StoreError>) -> Void
    ) {
        readers.perform("list checkpoints", Self.listing(query), then: answer)
    }

    static func insertion(
        of checkpoint: Checkpoint,
        _ stored: StoredBytes,
        _ blobs: [BlobChain.Placed]
    ) -> @Sendable (SQLiteWriter.Transaction) throws -> Void {
        { transaction in
            let thread = try transaction.threads.number(of: checkpoint.key.thread, in: transaction.db)
            try insert(checkpoint, stored, thread: thread, in: transaction.db)
            try arrived(checkpoint.key, transaction)
            for placed in blobs {
                let key = RecentBlobs.Key(thread, checkpoint.key.namespace, placed.blob)
                guard try BlobChain.insert(placed, key, in: transaction.snapshot) else { continue }
                transaction.stored(RecentBlobs.Blob(type: placed.blob.type, bytes: placed.blob.bytes), key)
            }
        }
    }

    private static func reading(
        _ thread: ThreadKey,
        _ namespace: Identifier,
        _ id: Identifier?
    ) -> @Sendable (Snapshot) throws -> CheckpointTuple? {
        { snapshot in
            guard let (number, checkpoint) = try checkpoint(in: thread, namespace, id, snapshot.db) else { return nil }
            // One look-up for each channel that the document names, in memory or by key; none for a channel it does not.
            let blobs = try ChannelVersion.all(in: checkpoint.document).compactMap { pair in
                try BlobChain.blob(pair, thread: number, namespace: checkpoint.key.namespace, in: snapshot)
            }
            return CheckpointTuple(
                checkpoint: checkpoint,
                blobs: blobs,
                pendingWrites: try pendingWrites(of: checkpoint.key, in: snapshot.db)
            )
        }
    }

    private static func listing(_ query: CheckpointQuery) -> @Sendable (Snapshot) throws -> [Checkpoint] {
        { snapshot in
            let db = snapshot.db
            guard let number = try query.thread.number(in: db) else { return [] }
            var found: [Checkpoint] = []
            try listStatement(query, db).forEachRow { parameters in
                parameters.bind(number)
                if let namespace = query.namespace { parameters.bind(namespace) }
                if let before = query.before { parameters.bind(before) }
            } _: { row in
                let texts = try StoredCheckpoint.texts(in: row, from: 3)
                if let filter = query.metadataFilter {
                    guard try texts.metadata.value.contains(filter) else { return true }
                }
                let key = CheckpointKey(thread: query.thread, namespace: row.identifier(0), id: row.identifier(1))
                found.append(
                    Checkpoint(
                        key: key,
                        parentID: row.optionalPacked(2),
                        document: texts.document,
                        metadata: texts.metadata
                    )
                )
                return found.count < query.limit
            }
            return found
        }
    }

    /// Document and metadata are replaced, the parent stays as first written.
    private static func insert(
        _ checkpoint: Checkpoint,
        _ stored: StoredBytes,
        thread: Int64,
        in db: Database
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO checkpoints (
                    thread, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                )
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (thread, checkpoint_ns, checkpoint_id)
                DO UPDATE SET encoding = excluded.encoding, payload = excluded.payload
                """
        )
        try stored.payload.withBytes { payload in
            try statement.run { parameters in
                parameters.bind(thread)
                parameters.bind(checkpoint.key.namespace)
                parameters.bind(checkpoint.key.id)
                parameters.bind(packed: checkpoint.parentID)
                parameters.bind(stored.encoding.rawValue)
                parameters.bind(inPlace: payload)
            }
        }
    }

    /// Writes that came before this checkpoint are found through it from now on.
    private static func arrived(_ key: CheckpointKey, _ transaction: SQLiteWriter.Transaction) throws {
        try transaction.db.delete(from: "awaited_checkpoints", at: key)
        transaction.checkpoints.add(key)
    }

    /// The checkpoint, with the number of its thread.
    private static func checkpoint(
        in thread: ThreadKey,
        _ namespace: Identifier,
        _ id: Identifier?,
        _ db: Database
    ) throws -> (thread: Int64, checkpoint: Checkpoint)? {
        try db.cachedStatement(sql: id == nil ? newestCheckpoint : namedCheckpoint).firstRow { parameters in
            parameters.bind(thread.tenant.name)
            parameters.bind(packed: thread.id)
            parameters.bind(namespace)
            if let id { parameters.bind(id) }
        } _: { row in
            let texts = try StoredCheckpoint.texts(in: row, from: 3)
            let checkpoint = Checkpoint(
                key: CheckpointKey(thread: thread, namespace: namespace, id: row.identifier(1)),
                parentID: row.optionalPacked(2),
                document: texts.document,
                metadata: texts.metadata
            )
            return (row.integer(0), checkpoint)
        }
    }

    private static let namespaceOfThread = """
        SELECT thread, checkpoint_id, parent_checkpoint_id, encoding, payload
        FROM threads CROSS JOIN checkpoints USING (thread)
        WHERE tenant = ? AND thread_id = ? AND checkpoint_ns = ?
        """
    private static let newestCheckpoint = namespaceOfThread + " ORDER BY checkpoint_id DESC LIMIT 1"
    private static let namedCheckpoint = namespaceOfThread + " AND checkpoint_id = ?"

    private static func listStatement(_ query: CheckpointQuery, _ db: Database) throws -> Statement {
        var conditions = "thread = ?"
        if query.namespace != nil { conditions += " AND checkpoint_ns = ?" }
        if query.before != nil { conditions += " AND checkpoint_id < ?" }
        return try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM checkpoints
                WHERE \(conditions) ORDER BY checkpoint_id DESC, checkpoint_ns DESC
                """
        )
    }
}
