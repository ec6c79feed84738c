package import Checkpoints
import GRDB
import JSON

extension SQLiteStore {
    package func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) async throws(StoreError) {
        try await writer.perform("put a checkpoint") { transaction in
            let thread = try transaction.threads.number(of: checkpoint.key.thread, in: transaction.db)
            try Self.insert(checkpoint, thread: thread, in: transaction.db)
            try Self.arrived(checkpoint.key, transaction)
            for blob in blobs {
                try Self.insert(blob, thread: thread, namespace: checkpoint.key.namespace, in: transaction.db)
            }
        }
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> CheckpointTuple? {
        try await read("read a checkpoint") { db in
            guard
                let number = try thread.number(in: db),
                let checkpoint = try Self.checkpoint(in: thread, number, namespace, id, db)
            else { return nil }
            return CheckpointTuple(
                checkpoint: checkpoint,
                blobs: try Self.blobs(of: checkpoint, thread: number, in: db),
                pendingWrites: try Self.pendingWrites(of: checkpoint.key, in: db)
            )
        }
    }

    package func list(_ query: CheckpointQuery) async throws(StoreError) -> [Checkpoint] {
        try await read("list checkpoints") { db in
            guard let number = try query.thread.number(in: db) else { return [] }
            let (sql, arguments) = Self.listStatement(query, thread: number)
            let rows = try Row.fetchCursor(try db.cachedStatement(sql: sql), arguments: arguments)
            var found: [Checkpoint] = []
            while found.count < query.limit, let row = try rows.next() {
                // The metadata is read first: a row that the filter drops costs no copy of its document.
                let metadata = try row.json(3)
                if let filter = query.metadataFilter {
                    guard try metadata.value.contains(filter) else { continue }
                }
                let key = CheckpointKey(thread: query.thread, namespace: row.identifier(0), id: row.identifier(1))
                found.append(
                    Checkpoint(
                        key: key,
                        parentID: row.optionalIdentifier(2),
                        document: try row.json(4),
                        metadata: metadata
                    )
                )
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
        let statement = try transaction.db.cachedStatement(
            sql: """
                DELETE FROM awaited_checkpoints
                WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ?
                """
        )
        try statement.run { $0.bind(key) }
        transaction.checkpoints.add(key)
    }

    /// The first bytes of a version stay.
    private static func insert(
        _ blob: ChannelBlob,
        thread: Int64,
        namespace: Identifier,
        in db: Database
    ) throws {
        let stored = StoredBlob(encoding: blob.bytes)
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO blobs (thread, checkpoint_ns, channel, version, type, encoding, payload)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (thread, checkpoint_ns, channel, version) DO NOTHING
                """
        )
        try stored.payload.withBytes { payload in
            try statement.run { parameters in
                parameters.bind(thread)
                parameters.bind(namespace)
                parameters.bind(blob.channel)
                parameters.bind(blob.version)
                parameters.bind(blob.type)
                parameters.bind(stored.encoding.rawValue)
                parameters.bind(inPlace: payload)
            }
        }
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
        var arguments: StatementArguments = [number, namespace.text]
        if let id { arguments += [id.text] }
        let rows = try Row.fetchCursor(try db.cachedStatement(sql: sql), arguments: arguments)
        guard let row = try rows.next() else { return nil }
        return Checkpoint(
            key: CheckpointKey(thread: thread, namespace: namespace, id: row.identifier(0)),
            parentID: row.optionalIdentifier(1),
            document: try row.json(3),
            metadata: try row.json(2)
        )
    }

    /// One look-up by key for each channel the document names; none for a channel it does not.
    private static func blobs(of checkpoint: Checkpoint, thread: Int64, in db: Database) throws -> [ChannelBlob] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT type, encoding, payload FROM blobs
                WHERE thread = ? AND checkpoint_ns = ? AND channel = ? AND version = ?
                """
        )
        return try ChannelVersion.all(in: checkpoint.document).compactMap { pair in
            let key: StatementArguments = [
                thread, checkpoint.key.namespace.text, pair.channel.text, pair.version.text,
            ]
            let rows = try Row.fetchCursor(statement, arguments: key)
            guard let row = try rows.next() else { return nil }
            return ChannelBlob(
                channel: pair.channel,
                version: pair.version,
                type: row[0],
                bytes: try row.storedBlob(encoding: 1, payload: 2).bytes
            )
        }
    }

    private static func listStatement(
        _ query: CheckpointQuery,
        thread: Int64
    ) -> (sql: String, arguments: StatementArguments) {
        var conditions = "thread = ?"
        var arguments: StatementArguments = [thread]
        if let namespace = query.namespace {
            conditions += " AND checkpoint_ns = ?"
            arguments += [namespace.text]
        }
        if let before = query.before {
            conditions += " AND checkpoint_id < ?"
            arguments += [before.text]
        }
        let sql = """
            SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, metadata, document FROM checkpoints
            WHERE \(conditions) ORDER BY checkpoint_id DESC, checkpoint_ns DESC
            """
        return (sql, arguments)
    }
}
