import Checkpoints
package import GRDB

/// The layout of the file, as numbered migrations.
///
/// Each runs in one transaction. One that has been released is never edited; a change is a new one.
package enum SQLiteSchema {
    /// `PRAGMA application_id`: the bytes `Mile`.
    ///
    /// Other programs' files have another, or none.
    static let applicationID: Int32 = 0x4D69_6C65

    /// That of a store in a state of encryption: the bytes `Mile`, `Mils` or `MilS`.
    static func applicationID(_ state: EncryptionState) -> Int32 {
        switch state {
        case .clear: applicationID
        case .mixed: 0x4D69_6C73
        case .sealed: 0x4D69_6C53
        }
    }

    /// Nil for a file that is not a store.
    static func encryptionState(_ id: Int32) -> EncryptionState? {
        [.clear, .mixed, .sealed].first { applicationID($0) == id }
    }

    package static let migrator: DatabaseMigrator = {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1 threads, checkpoints, blobs, writes") { db in
            try db.execute(sql: layout1)
            try db.execute(sql: "PRAGMA application_id = \(applicationID)")
        }
        migrator.registerMigration("2 blob chains") { db in
            try db.execute(sql: layout2)
        }
        migrator.registerMigration("3 packed keys, one row a task, one payload a checkpoint") { db in
            try Layout3.migrate(db)
        }
        migrator.registerMigration("4 thread settings") { db in
            try db.execute(sql: layout4)
        }
        migrator.registerMigration("5 digests of names") { _ in
            // Nothing: what is there is read as before. An older version must not read what comes.
        }
        return migrator
    }()

    /// A thread's name is stored once for its checkpoints and blobs, which have its number.
    ///
    /// Texts compare by their bytes (`BINARY`, the default), which is the order the contract asks for.
    private static let layout1 = """
        CREATE TABLE threads (
            tenant TEXT NOT NULL,
            thread_id TEXT NOT NULL,
            thread INTEGER NOT NULL,
            PRIMARY KEY (tenant, thread_id)
        ) STRICT, WITHOUT ROWID;
        CREATE UNIQUE INDEX threads_by_number ON threads (thread);

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

        -- The key begins with the checkpoint's id, which LangGraph makes from the time: what is written now lands
        -- on the same few pages, whatever its thread.
        CREATE TABLE writes (
            checkpoint_id TEXT NOT NULL,
            thread_id TEXT NOT NULL,
            tenant TEXT NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            task_id TEXT NOT NULL,
            idx INTEGER NOT NULL,
            channel TEXT NOT NULL,
            type TEXT,
            task_path TEXT NOT NULL,
            encoding INTEGER NOT NULL,
            payload BLOB,
            PRIMARY KEY (checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, idx)
        ) STRICT, WITHOUT ROWID;

        -- Checkpoints that have writes and are not there (yet): with the checkpoints of a thread, all places where
        -- it may have writes.
        CREATE TABLE awaited_checkpoints (
            checkpoint_id TEXT NOT NULL,
            thread_id TEXT NOT NULL,
            tenant TEXT NOT NULL,
            checkpoint_ns TEXT NOT NULL,
            PRIMARY KEY (checkpoint_id, thread_id, tenant, checkpoint_ns)
        ) STRICT, WITHOUT ROWID;

        -- What a readiness check writes to.
        CREATE TABLE probes (
            probe INTEGER PRIMARY KEY CHECK (probe = 1),
            count INTEGER NOT NULL
        ) STRICT;
        """

    /// A blob's place in its chain: see `BlobChain`.
    ///
    /// What was there before is a chain of its own.
    private static let layout2 = """
        ALTER TABLE blobs ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE blobs ADD COLUMN base INTEGER;
        """

    /// What is set for single threads; few have a row.
    ///
    /// By name, not by number: a thread gets another number when it is rewritten.
    private static let layout4 = """
        CREATE TABLE thread_settings (
            tenant TEXT NOT NULL,
            thread_id ANY NOT NULL,
            -- Seconds; NULL for the policy's times.
            ttl INTEGER,
            hold INTEGER NOT NULL,
            -- A JSON array of pairs of a namespace and a checkpoint's id.
            pins TEXT NOT NULL,
            PRIMARY KEY (tenant, thread_id)
        ) STRICT, WITHOUT ROWID;
        """

    // MARK: - Damage

    /// Which tables and indexes of the newest layout are not in a file as its migrations make them, in words.
    ///
    /// SQLite takes a name with a flipped bit for another name and says so when a statement needs the right one; the order
    /// of an index it would believe. Compares what SQLite understood, not its texts: those may depend on its version. What
    /// others added is not looked at. The first time in a process runs the migrations in memory.
    static func damage(_ db: Database) throws -> [String] {
        let found = try definitions(db)
        return try expected.get().filter { found[$0.key] != $0.value }.keys.sorted().map { name in
            found[name] == nil ? "there is no \(name)" : "\(name) is not defined as it was made"
        }
    }

    private static let expected = Result {
        let database = try DatabaseQueue()
        try migrator.migrate(database)
        return try database.read(definitions)
    }

    /// Columns with types and keys by the names of tables, and columns in their order by those of indexes; sorted.
    ///
    /// Not those of virtual tables, which have no pages: SQLite asks their modules, and fails where there is none.
    private static func definitions(_ db: Database) throws -> [String: [String]] {
        let sql = """
            SELECT t.name, printf('%d %d', t.wr, t.strict) FROM pragma_table_list AS t WHERE t.schema = 'main'
            UNION ALL
            SELECT m.name, printf('%d %s %s %d %d', c.cid, c.name, c.type, c."notnull", c.pk)
            FROM sqlite_schema AS m JOIN pragma_table_xinfo(m.name) AS c WHERE m.type = 'table' AND m.rootpage <> 0
            UNION ALL
            SELECT i.name, printf('%s %d', m.name, i."unique")
            FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS i WHERE m.type = 'table' AND m.rootpage <> 0
            UNION ALL
            SELECT m.name, printf('%d %s %d %s %d', c.seqno, c.name, c."desc", c.coll, c.key)
            FROM sqlite_schema AS m JOIN pragma_index_xinfo(m.name) AS c WHERE m.type = 'index'
            """
        let lines = try Row.fetchAll(db, sql: sql).map { (name: $0[0] as String, line: $0[1] as String) }
        return Dictionary(grouping: lines, by: \.name).mapValues { $0.map(\.line).sorted() }
    }
}
