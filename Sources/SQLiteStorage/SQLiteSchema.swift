import Checkpoints
import GRDB

/// The layout of the file, as numbered migrations.
///
/// One that has been released is never edited; a change is a new one.
enum SQLiteSchema {
    /// `PRAGMA application_id`: the bytes `Mile`.
    ///
    /// Other programs' files have another, or none.
    static let applicationID: Int32 = 0x4D69_6C65

    static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 threads, checkpoints, blobs, writes") { db in
            try db.execute(sql: layout1)
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
        }
        return migrator
    }()

    /// A thread's name is stored once; every other row has its number.
    ///
    /// Rows are never moved: each table keeps them in the order they came (new rows share pages), and unique indexes
    /// hold the keys.
    ///
    /// Texts compare by their bytes (`BINARY`, the default), which is the order the contract asks for.
    private static let layout1 = """
        CREATE TABLE threads (
            thread INTEGER PRIMARY KEY,
            tenant TEXT NOT NULL,
            thread_id TEXT NOT NULL,
            UNIQUE (tenant, thread_id)
        ) STRICT;

        CREATE TABLE checkpoints (
            checkpoint INTEGER PRIMARY KEY,
            thread INTEGER NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            checkpoint_id TEXT NOT NULL,
            parent_checkpoint_id TEXT,
            metadata BLOB NOT NULL,
            document BLOB NOT NULL
        ) STRICT;
        -- One key; the newest of a namespace, and a page of a namespace.
        CREATE UNIQUE INDEX checkpoints_by_namespace ON checkpoints (thread, checkpoint_ns, checkpoint_id);
        -- A page over all namespaces of a thread.
        CREATE INDEX checkpoints_by_id ON checkpoints (thread, checkpoint_id, checkpoint_ns);

        CREATE TABLE blobs (
            blob INTEGER PRIMARY KEY,
            thread INTEGER NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            channel TEXT NOT NULL,
            version TEXT NOT NULL,
            type TEXT NOT NULL,
            encoding INTEGER NOT NULL,
            payload BLOB
        ) STRICT;
        CREATE UNIQUE INDEX blobs_by_version ON blobs (thread, checkpoint_ns, channel, version);

        CREATE TABLE writes (
            write INTEGER PRIMARY KEY,
            thread INTEGER NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            checkpoint_id TEXT NOT NULL,
            task_id TEXT NOT NULL,
            idx INTEGER NOT NULL,
            channel TEXT NOT NULL,
            type TEXT,
            task_path TEXT NOT NULL,
            encoding INTEGER NOT NULL,
            payload BLOB
        ) STRICT;
        CREATE UNIQUE INDEX writes_by_task ON writes (thread, checkpoint_ns, checkpoint_id, task_id, idx);

        -- What a readiness check writes to.
        CREATE TABLE probes (
            probe INTEGER PRIMARY KEY CHECK (probe = 1),
            count INTEGER NOT NULL
        ) STRICT;
        """
}
