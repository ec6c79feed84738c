package import Checkpoints
import GRDB
import JSON

extension SQLiteStore: DirectStore {
    package func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) async throws(StoreError) {
        try await writer.perform("put a checkpoint", Self.insertion(of: checkpoint, blobs))
    }

    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        writer.perform("put a checkpoint", Self.insertion(of: checkpoint, blobs), then: answer)
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

    private static func insertion(
        of checkpoint: Checkpoint,
        _ blobs: [ChannelBlob]
    ) -> @Sendable (SQLiteWriter.Transaction) throws -> Void {
        { transaction in
            let thread = try transaction.threads.number(of: checkpoint.key.thread, in: transaction.db)
            try insert(checkpoint, thread: thread, in: transaction.db)
            try arrived(checkpoint.key, transaction)
            for blob in blobs {
                try BlobChain.insert(
                    blob,
                    thread: thread,
                    namespace: checkpoint.key.namespace,
                    in: transaction.db
                )
            }
        }
    }

    private static func reading(
        _ thread: ThreadKey,
        _ namespace: Identifier,
        _ id: Identifier?
    ) -> @Sendable (Database) throws -> CheckpointTuple? {
        { db in
            guard
                let number = try thread.number(in: db),
                let checkpoint = try checkpoint(in: thread, number, namespace, id, db)
            else { return nil }
            return CheckpointTuple(
                checkpoint: checkpoint,
                blobs: try blobs(of: checkpoint, thread: number, in: db),
                pendingWrites: try pendingWrites(of: checkpoint.key, in: db)
            )
        }
    }

    private static func listing(_ query: CheckpointQuery) -> @Sendable (Database) throws -> [Checkpoint] {
        { db in
            guard let number = try query.thread.number(in: db) else { return [] }
            var found: [Checkpoint] = []
            try listStatement(query, db).forEachRow { parameters in
                parameters.bind(number)
                if let namespace = query.namespace { parameters.bind(namespace) }
                if let before = query.before { parameters.bind(before) }
            } _: { row in
                // The metadata is read first: a row that the filter drops costs no copy of its document.
                let metadata = row.json(3)
                if let filter = query.metadataFilter {
                    guard try metadata.value.contains(filter) else { return true }
                }
                let key = CheckpointKey(thread: query.thread, namespace: row.identifier(0), id: row.identifier(1))
                found.append(
                    Checkpoint(
                        key: key,
                        parentID: row.optionalIdentifier(2),
                        document: row.json(4),
                        metadata: metadata
                    )
                )
                return found.count < query.limit
            }
            return found
        }
    }

    /// Document and metadata are replaced, the parent stays as first written.
    private static func insert(_ checkpoint: Checkpoint, thread: Int64, in db: Database) throws {
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO checkpoints
                    (thread, checkpoint_ns, checkpoint_id, parent_checkpoint_id, metadata, document)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (thread, checkpoint_ns, checkpoint_id)
                DO UPDATE SET metadata = excluded.metadata, document = excluded.document
                """
        )
        try checkpoint.metadata.bytes.withUnsafeBytes { metadata in
            try checkpoint.document.bytes.withUnsafeBytes { document in
                try statement.run { parameters in
                    parameters.bind(thread)
                    parameters.bind(checkpoint.key.namespace)
                    parameters.bind(checkpoint.key.id)
                    parameters.bind(checkpoint.parentID?.text)
                    parameters.bind(inPlace: metadata)
                    parameters.bind(inPlace: document)
                }
            }
        }
    }

    /// Writes that came before this checkpoint are found through it from now on.
    private static func arrived(_ key: CheckpointKey, _ transaction: SQLiteWriter.Transaction) throws {
        try transaction.db.delete(from: "awaited_checkpoints", at: key)
        transaction.checkpoints.add(key)
    }

    private static func checkpoint(
        in thread: ThreadKey,
        _ number: Int64,
        _ namespace: Identifier,
        _ id: Identifier?,
        _ db: Database
    ) throws -> Checkpoint? {
        let columns = "checkpoint_id, parent_checkpoint_id, metadata, document"
        let sql =
            id == nil
            ? """
            SELECT \(columns) FROM checkpoints WHERE thread = ? AND checkpoint_ns = ?
            ORDER BY checkpoint_id DESC LIMIT 1
            """
            : "SELECT \(columns) FROM checkpoints WHERE thread = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
        return try db.cachedStatement(sql: sql).firstRow { parameters in
            parameters.bind(number)
            parameters.bind(namespace)
            if let id { parameters.bind(id) }
        } _: { row in
            Checkpoint(
                key: CheckpointKey(thread: thread, namespace: namespace, id: row.identifier(0)),
                parentID: row.optionalIdentifier(1),
                document: row.json(3),
                metadata: row.json(2)
            )
        }
    }

    /// One look-up by key for each channel the document names; none for a channel it does not.
    private static func blobs(of checkpoint: Checkpoint, thread: Int64, in db: Database) throws -> [ChannelBlob] {
        try ChannelVersion.all(in: checkpoint.document).compactMap { pair in
            try BlobChain.blob(pair, thread: thread, namespace: checkpoint.key.namespace, in: db)
        }
    }

    private static func listStatement(_ query: CheckpointQuery, _ db: Database) throws -> Statement {
        var conditions = "thread = ?"
        if query.namespace != nil { conditions += " AND checkpoint_ns = ?" }
        if query.before != nil { conditions += " AND checkpoint_id < ?" }
        return try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, metadata, document FROM checkpoints
                WHERE \(conditions) ORDER BY checkpoint_id DESC, checkpoint_ns DESC
                """
        )
    }
}
