import Checkpoints
import JSON

/// The rows of changes that are committed together, merged so that each key occurs once, and in the order of their keys.
///
/// One key twice in a statement is refused by `ON CONFLICT DO UPDATE`, and the order is what keeps two servers from
/// deadlocking. https://www.postgresql.org/docs/15/sql-insert.html#SQL-ON-CONFLICT
struct WriteBatch {
    private var checkpoints: [CheckpointRow] = []
    private var blobs: [BlobRow] = []
    private var writes: [WriteRow] = []
    /// Whether all rows are of one change.
    private let isSingle: Bool

    private struct CheckpointRow: KeyedRow {
        let key: [Identifier]
        let parentID: Identifier?
        var document: JSONText
        var metadata: JSONText
        var isRewritten: Bool

        mutating func merge(_ later: CheckpointRow) {
            document = later.document
            metadata = later.metadata
            isRewritten = isRewritten || later.isRewritten
        }
    }

    private struct BlobRow: KeyedRow {
        let key: [Identifier]
        let type: String
        let bytes: [UInt8]?

        /// The first bytes stay.
        mutating func merge(_ later: BlobRow) {}
    }

    private struct WriteRow: KeyedRow {
        let key: [Identifier]
        let index: Int32
        let taskPath: Identifier
        /// Its channel, type and bytes.
        var value: PendingWrite
        var policy: WriteConflictPolicy

        /// The task path is the first's whatever the policy.
        mutating func merge(_ later: WriteRow) {
            guard later.policy == .replace else { return }
            value = later.value
            policy = .replace
        }
    }

    init(_ checkpoint: Checkpoint, _ blobs: [ChannelBlob], isRewritten: Bool) {
        isSingle = true
        add(checkpoint, blobs, isRewritten: isRewritten)
    }

    /// Rows that are in no one's way.
    init(_ rows: [ThreadRow], to thread: ThreadKey, isRewritten: Bool) {
        isSingle = true
        add(rows, to: thread, isRewritten: isRewritten)
    }

    init(_ changes: [Change]) {
        isSingle = changes.count == 1
        for change in changes {
            switch change.kind {
            case .put(let checkpoint, let blobs): add(checkpoint, blobs, isRewritten: change.isRewritten)
            case .writes(let groups, let key):
                for group in groups { add(group.writes, key, group.policy) }
            case .rows(let rows, let thread): add(rows, to: thread, isRewritten: change.isRewritten)
            case .edit, .probe: preconditionFailure("shares no transaction")
            }
        }
    }

    /// By table, then by key.
    var statements: [PostgresStatement] {
        var statements: [PostgresStatement] = []
        let checkpoints = Self.merged(checkpoints)
        if !checkpoints.isEmpty { statements.append(Self.insertion(of: checkpoints)) }
        let blobs = Self.merged(blobs)
        if !blobs.isEmpty { statements.append(Self.insertion(of: blobs)) }
        statements += runs(of: Self.merged(writes)).map { Self.insertion(of: $0) }
        return statements
    }

    /// One run of rows that are treated alike for each statement: nearly always one in all.
    ///
    /// A single change may be written so that there would be a great many: then there are two, in no order of the keys. It
    /// shares its transaction with no other, and is tried again after a deadlock.
    private func runs(of rows: [WriteRow]) -> [[WriteRow]] {
        var runs: [[WriteRow]] = []
        var start = 0
        for place in rows.indices where place == rows.count - 1 || rows[place].policy != rows[place + 1].policy {
            runs.append(Array(rows[start...place]))
            start = place + 1
        }
        guard isSingle, runs.count > 2 else { return runs }
        return [WriteConflictPolicy.keepFirst, .replace].map { policy in rows.filter { $0.policy == policy } }
    }

    private mutating func add(_ checkpoint: Checkpoint, _ blobs: [ChannelBlob], isRewritten: Bool) {
        let thread = checkpoint.key.thread.storedID
        let namespace = checkpoint.key.namespace
        checkpoints.append(
            CheckpointRow(
                key: [thread, namespace, checkpoint.key.id],
                parentID: checkpoint.parentID,
                document: checkpoint.document,
                metadata: checkpoint.metadata,
                isRewritten: isRewritten
            )
        )
        for blob in blobs { add(blob, thread, namespace) }
    }

    private mutating func add(_ blob: ChannelBlob, _ thread: Identifier, _ namespace: Identifier) {
        let key = [thread, namespace, blob.channel, blob.version]
        blobs.append(BlobRow(key: key, type: blob.type, bytes: blob.bytes))
    }

    private mutating func add(_ rows: [ThreadRow], to thread: ThreadKey, isRewritten: Bool) {
        for row in rows {
            switch row {
            case .blob(let namespace, let blob): add(blob, thread.storedID, namespace)
            case .write(let namespace, let id, let write):
                add([write], CheckpointKey(thread: thread, namespace: namespace, id: id), .keepFirst)
            case .checkpoint(let checkpoint): add(checkpoint, [], isRewritten: isRewritten)
            }
        }
    }

    private mutating func add(_ writes: [PendingWrite], _ checkpoint: CheckpointKey, _ policy: WriteConflictPolicy) {
        let thread = checkpoint.thread.storedID
        for write in writes {
            let key = [thread, checkpoint.namespace, checkpoint.id, write.taskID]
            self.writes.append(
                WriteRow(key: key, index: write.index, taskPath: write.taskPath, value: write, policy: policy))
        }
    }

    /// In the order of the keys, rows of one key as one.
    private static func merged<Row: KeyedRow>(_ rows: [Row]) -> [Row] {
        guard rows.count > 1 else { return rows }
        // Swift's sort is stable, though only by custom: equal keys are told apart by when they came.
        let sorted = rows.enumerated().sorted { left, right in
            left.element.precedes(right.element) || !right.element.precedes(left.element) && left.offset < right.offset
        }
        var merged: [Row] = []
        merged.reserveCapacity(rows.count)
        for (_, row) in sorted {
            if let last = merged.indices.last, !merged[last].precedes(row) {
                merged[last].merge(row)
            } else {
                merged.append(row)
            }
        }
        return merged
    }
}

/// A row that knows its place.
private protocol KeyedRow {
    var key: [Identifier] { get }
    /// The last part of the key, where it is a number.
    var index: Int32 { get }
    /// Takes in what a later change does to the same row.
    mutating func merge(_ later: Self)
}

extension KeyedRow {
    var index: Int32 { 0 }

    fileprivate func precedes(_ other: Self) -> Bool {
        for (own, others) in zip(key, other.key) where own != others {
            return own < others
        }
        return index < other.index
    }
}

// MARK: - Statements

extension WriteBatch {
    private static func insertion(of rows: [CheckpointRow]) -> PostgresStatement {
        var parameters = PostgresParameters()
        for part in 0..<3 { parameters.add(texts: rows.lazy.map { $0.key[part] }) }
        parameters.add(texts: rows.lazy.map(\.parentID))
        parameters.add(utf8: rows.lazy.map { $0.document.bytes })
        parameters.add(utf8: rows.lazy.map { $0.metadata.bytes })
        parameters.add(utf8: rows.map { $0.document.substituteForJSONB(always: $0.isRewritten) })
        parameters.add(utf8: rows.map { $0.metadata.substituteForJSONB(always: $0.isRewritten) })
        return PostgresStatement(insertCheckpoints, parameters)
    }

    private static func insertion(of rows: [BlobRow]) -> PostgresStatement {
        var parameters = PostgresParameters()
        for part in 0..<4 { parameters.add(texts: rows.lazy.map { $0.key[part] }) }
        parameters.add(strings: rows.lazy.map(\.type))
        parameters.add(blobs: rows.lazy.map(\.bytes))
        return PostgresStatement(insertBlobs, parameters)
    }

    /// All have one policy.
    private static func insertion(of rows: [WriteRow]) -> PostgresStatement {
        var parameters = PostgresParameters()
        for part in 0..<4 { parameters.add(texts: rows.lazy.map { $0.key[part] }) }
        parameters.add(integers: rows.lazy.map(\.index))
        parameters.add(texts: rows.lazy.map(\.value.channel))
        parameters.add(strings: rows.lazy.map(\.value.type))
        parameters.add(blobs: rows.lazy.map(\.value.bytes))
        parameters.add(texts: rows.lazy.map(\.taskPath))
        return PostgresStatement(rows[0].policy == .replace ? replaceWrites : insertWrites, parameters)
    }

    /// Document and metadata are replaced, the parent stays as first written.
    ///
    /// `OFFSET 0` keeps the planner from converting each text once more for its digest.
    private static let insertCheckpoints = StatementText(
        "insert_checkpoints",
        """
        INSERT INTO checkpoints AS stored (
            thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, checkpoint, metadata,
            milepost_checkpoint, milepost_metadata, milepost_digest
        )
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, document, metadata,
            document_text, metadata_text, \(StoredCheckpoint.digest(document: "document", metadata: "metadata"))
        FROM (
            SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, document_text, metadata_text,
                coalesce(document_substitute, document_text)::jsonb AS document,
                coalesce(metadata_substitute, metadata_text)::jsonb AS metadata
            FROM unnest(
                $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[]
            ) AS given (
                thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, document_text, metadata_text,
                document_substitute, metadata_substitute
            )
            OFFSET 0
        ) AS converted
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id) DO UPDATE SET
            checkpoint = EXCLUDED.checkpoint, metadata = EXCLUDED.metadata,
            milepost_checkpoint = EXCLUDED.milepost_checkpoint, milepost_metadata = EXCLUDED.milepost_metadata,
            milepost_digest = EXCLUDED.milepost_digest
        """
    )

    /// The first bytes stay.
    ///
    /// Setting a column to what it is locks the row, which `DO NOTHING` does not: a saver of LangGraph's that deletes the
    /// thread cannot take it away from under this change. And it writes to the log, so that the commit waits for a
    /// standby also where nothing is new.
    private static let insertBlobs = StatementText(
        "insert_blobs",
        """
        INSERT INTO checkpoint_blobs AS stored (thread_id, checkpoint_ns, channel, version, type, blob)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])
        ON CONFLICT (thread_id, checkpoint_ns, channel, version) DO UPDATE SET type = stored.type
        """
    )

    private static let insertionOfWrites = """
        INSERT INTO checkpoint_writes AS stored (
            thread_id, checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path
        )
        SELECT * FROM unnest(
            $1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::text[], $7::text[], $8::bytea[], $9::text[]
        )
        ON CONFLICT (thread_id, checkpoint_ns, checkpoint_id, task_id, idx) DO UPDATE SET
        """

    /// The first stays; why it is set to what it is `insertBlobs` says.
    private static let insertWrites = StatementText(
        "insert_writes",
        insertionOfWrites + " channel = stored.channel"
    )

    /// The task path stays as first written.
    private static let replaceWrites = StatementText(
        "replace_writes",
        insertionOfWrites + " channel = EXCLUDED.channel, type = EXCLUDED.type, blob = EXCLUDED.blob"
    )
}
