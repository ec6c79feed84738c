import Checkpoints
import GRDB
import JSON

/// The migration to layout 3: keys are packed (`PackedKey`), a task's writes are one row (`StoredWrites`), and a checkpoint's
/// metadata and document one payload (`StoredCheckpoint`).
///
/// Every table but `probes` is copied into a new one. Frames of blobs stay as they are: encodings of layout 2 are still read. The
/// pages of the old tables are free afterwards, and used by what comes next.
enum Layout3 {
    static func migrate(_ db: Database) throws {
        try db.execute(sql: tables)
        try copyThreads(db)
        try copyCheckpoints(db)
        try copyBlobs(db)
        try copyWrites(db)
        try copyAwaited(db)
        try db.execute(sql: replacement)
    }

    /// Columns of type ANY hold a packed key, or a text that cannot be packed; ids that answers are ordered by are texts.
    private static let tables = """
        CREATE TABLE threads_3 (
            tenant TEXT NOT NULL,
            thread_id ANY NOT NULL,
            thread INTEGER NOT NULL,
            PRIMARY KEY (tenant, thread_id)
        ) STRICT, WITHOUT ROWID;

        CREATE TABLE checkpoints_3 (
            checkpoint INTEGER PRIMARY KEY,
            thread INTEGER NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            checkpoint_id TEXT NOT NULL,
            parent_checkpoint_id ANY,
            encoding INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT;

        CREATE TABLE blobs_3 (
            blob INTEGER PRIMARY KEY,
            thread INTEGER NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            channel TEXT NOT NULL,
            version ANY NOT NULL,
            type TEXT NOT NULL,
            -- The place in a chain, and the row it is read with.
            position INTEGER NOT NULL,
            base INTEGER,
            encoding INTEGER NOT NULL,
            payload BLOB
        ) STRICT;

        -- Rows lie in the order they come. Their key begins with the checkpoint's id, which LangGraph makes from the
        -- time, so that its index grows at its end too: what is written now lands on the same few pages.
        CREATE TABLE writes_3 (
            write INTEGER PRIMARY KEY,
            checkpoint_id ANY NOT NULL,
            thread_id ANY NOT NULL,
            tenant TEXT NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            task_id ANY NOT NULL,
            encoding INTEGER NOT NULL,
            payload BLOB NOT NULL
        ) STRICT;

        CREATE TABLE awaited_checkpoints_3 (
            checkpoint_id ANY NOT NULL,
            thread_id ANY NOT NULL,
            tenant TEXT NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            PRIMARY KEY (checkpoint_id, thread_id, tenant, checkpoint_ns)
        ) STRICT, WITHOUT ROWID;
        """

    private static let replacement = """
        DROP TABLE threads;
        DROP TABLE checkpoints;
        DROP TABLE blobs;
        DROP TABLE writes;
        DROP TABLE awaited_checkpoints;

        ALTER TABLE threads_3 RENAME TO threads;
        ALTER TABLE checkpoints_3 RENAME TO checkpoints;
        ALTER TABLE blobs_3 RENAME TO blobs;
        ALTER TABLE writes_3 RENAME TO writes;
        ALTER TABLE awaited_checkpoints_3 RENAME TO awaited_checkpoints;

        CREATE UNIQUE INDEX threads_by_number ON threads (thread);
        CREATE UNIQUE INDEX checkpoints_by_namespace ON checkpoints (thread, checkpoint_ns, checkpoint_id);
        CREATE INDEX checkpoints_by_id ON checkpoints (thread, checkpoint_id, checkpoint_ns);
        CREATE UNIQUE INDEX blobs_by_version ON blobs (thread, checkpoint_ns, channel, version);
        CREATE UNIQUE INDEX writes_by_task ON writes (checkpoint_id, thread_id, tenant, checkpoint_ns, task_id);
        """

    private static func copyThreads(_ db: Database) throws {
        let insert = try db.makeStatement(sql: "INSERT INTO threads_3 VALUES (?, ?, ?)")
        try db.makeStatement(sql: "SELECT tenant, thread_id, thread FROM threads").forEachRow { _ in
        } _: { row in
            try insert.run { parameters in
                parameters.bind(row.text(0))
                parameters.bind(packed: row.identifier(1))
                parameters.bind(row.integer(2))
            }
            return true
        }
    }

    private static func copyCheckpoints(_ db: Database) throws {
        let insert = try db.makeStatement(sql: "INSERT INTO checkpoints_3 VALUES (?, ?, ?, ?, ?, ?, ?)")
        let rows = try db.makeStatement(
            sql: """
                SELECT checkpoint, thread, checkpoint_ns, checkpoint_id, parent_checkpoint_id, metadata, document
                FROM checkpoints ORDER BY checkpoint
                """
        )
        try rows.forEachRow { _ in
        } _: { row in
            let metadata = JSONText(trusted: row.bytes(5) ?? [])
            let document = JSONText(trusted: row.bytes(6) ?? [])
            let stored = StoredCheckpoint.value(metadata: metadata, document: document, named: nil)
            try stored.payload.withBytes { payload in
                try insert.run { parameters in
                    parameters.bind(row.integer(0))
                    parameters.bind(row.integer(1))
                    parameters.bind(row.text(2))
                    parameters.bind(row.text(3))
                    parameters.bind(packed: row.optionalIdentifier(4))
                    parameters.bind(stored.code)
                    parameters.bind(inPlace: payload)
                }
            }
            return true
        }
    }

    /// What was kept as it came gets a digest; frames have one, and stay as they are.
    private static func copyBlobs(_ db: Database) throws {
        let insert = try db.makeStatement(
            sql: """
                INSERT INTO blobs_3
                SELECT blob, thread, checkpoint_ns, channel, ?, type, position, base, ?, ? FROM blobs WHERE blob = ?
                """
        )
        try db.makeStatement(sql: "SELECT blob, version, encoding, payload FROM blobs ORDER BY blob").forEachRow { _ in
        } _: { row in
            let isPlain = row.integer(2) == plain
            let stored = isPlain ? StoredBytes.alone(row.bytes(3), named: nil) : try row.stored(encoding: 2, payload: 3)
            try stored.payload.withBytes { payload in
                try insert.run { parameters in
                    parameters.bind(packedVersion: row.identifier(1))
                    parameters.bind(stored.code)
                    parameters.bind(inPlace: payload)
                    parameters.bind(row.integer(0))
                }
            }
            return true
        }
    }

    /// The encoding of layouts 1 and 2 for bytes as they came.
    private static let plain: Int64 = 0

    /// The rows of a task follow each other in the key's order.
    private static func copyWrites(_ db: Database) throws {
        let insert = try db.makeStatement(
            sql: """
                INSERT INTO writes_3 (checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, encoding, payload)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """
        )
        let rows = try db.makeStatement(
            sql: """
                SELECT checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, idx, channel, type, task_path,
                    encoding, payload
                FROM writes ORDER BY checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, idx
                """
        )
        var task: (checkpoint: CheckpointKey, writes: [PendingWrite])?
        func finish() throws {
            guard let task else { return }
            try TaskWrites(task.writes, named: nil).insert(task.checkpoint, with: insert)
        }
        try rows.forEachRow { _ in
        } _: { row in
            let checkpoint = checkpointKey(row)
            let write = PendingWrite(
                taskID: row.identifier(4),
                index: Int32(truncatingIfNeeded: row.integer(5)),
                channel: row.identifier(6),
                type: row.optionalText(7),
                bytes: try writeBytes(row, encoding: 9, payload: 10),
                taskPath: row.identifier(8)
            )
            if let last = task, last.checkpoint == checkpoint, last.writes[0].taskID == write.taskID {
                task?.writes.append(write)
            } else {
                try finish()
                task = (checkpoint, [write])
            }
            return true
        }
        try finish()
    }

    /// The first four columns: a checkpoint's id, thread, tenant and namespace.
    private static func checkpointKey(_ row: borrowing ResultRow) -> CheckpointKey {
        let thread = ThreadKey(row.identifier(1), tenant: Tenant(name: row.identifier(2)))
        return CheckpointKey(thread: thread, namespace: row.identifier(3), id: row.identifier(0))
    }

    /// All of them were kept as they came.
    private static func writeBytes(
        _ row: borrowing ResultRow,
        encoding: Int32,
        payload: Int32
    ) throws -> [UInt8] {
        guard row.integer(encoding) == plain else {
            throw StoreError(.corrupt, during: "bring the layout up to date", detail: "a write has an unknown encoding")
        }
        return row.bytes(payload) ?? []
    }

    private static func copyAwaited(_ db: Database) throws {
        let insert = try db.makeStatement(sql: "INSERT INTO awaited_checkpoints_3 VALUES (?, ?, ?, ?)")
        let rows = try db.makeStatement(
            sql: "SELECT checkpoint_id, thread_id, tenant, checkpoint_ns FROM awaited_checkpoints"
        )
        try rows.forEachRow { _ in
        } _: { row in
            let checkpoint = checkpointKey(row)
            try insert.run { $0.bind(checkpoint) }
            return true
        }
    }
}
