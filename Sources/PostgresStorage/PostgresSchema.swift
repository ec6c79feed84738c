/// The tables: LangGraph's, and what is added to them.
///
/// On an empty database all are made, and `checkpoint_migrations` says so to LangGraph's `setup()`. On one that LangGraph or
/// Agentex made, theirs are used as they are; the additions are nullable columns, indexes and tables with a prefix of our
/// own. docs/postgresql.md has the statements that take them away again.
package enum PostgresSchema {
    /// What `milepost_migrations` holds when the tables are as this program needs them.
    static let version = 2
    /// The lock that lets one server at a time change the tables, until its transaction ends: the bytes `Mile`.
    private static let lock = 0x4D69_6C65

    /// What there is.
    struct State {
        /// Nil when Milepost was never here.
        var version: Int?
        var hasTables = false
        /// Whether a table has a name of LangGraph's but not its columns.
        var isForeign = false
        /// Whether LangGraph's tables are as its last migration leaves them.
        var isComplete = false
        /// Whether the ids' columns compare by bytes, so that the primary keys serve every order.
        var comparesBytes = false
        /// Whether writes have a task path; they got it late.
        var hasTaskPath = false
        /// Whether checkpoints have the columns that are added.
        var hasTexts = false
        /// Whether values can be compressed with LZ4, which takes less time than the default.
        var hasLZ4 = false
        /// Whether there are the tables of version 2.
        var hasRetention = false
        /// Indexes of ours that a broken-off migration left behind.
        var invalidIndexes: [String] = []
    }

    /// One transaction, or a statement that must be outside of any.
    enum Step {
        case transaction([String])
        case statement(String)

        /// For `psql`.
        var lines: [String] {
            switch self {
            case .transaction(let statements): ["BEGIN"] + statements + ["COMMIT"]
            case .statement(let statement): [statement]
            }
        }
    }

    /// What brings the tables from `state` to `version`; each step can run again.
    ///
    /// Where there are rows, no step holds a lock that reads or writes wait for longer than a moment: the columns are
    /// nullable, and indexes are made beside the traffic.
    static func steps(from state: State) -> [Step] {
        if let found = state.version, found >= version { return [] }
        let begin = [
            "SET LOCAL lock_timeout = 0", "SELECT pg_advisory_xact_lock(\(lock))", "SET LOCAL lock_timeout = '2s'",
        ]
        guard state.version == nil else { return [.transaction(begin + retention + [done])] }
        let indexes = state.hasTables && !state.comparesBytes ? [namespaceIndex, threadIndex] : [threadIndex]
        guard state.hasTables else {
            let compression = state.hasLZ4 ? compression : []
            return [
                .transaction(
                    begin + creation + [mark] + additions + retention + compression + indexes.map { create($0) } + [
                        done
                    ])
            ]
        }
        let completion = state.isComplete ? [] : completion
        return [.transaction(begin + creation + completion + additions + retention)]
            + state.invalidIndexes.map { .statement("DROP INDEX CONCURRENTLY IF EXISTS \($0)") }
            + indexes.map { .statement(create($0, "CONCURRENTLY ")) } + [.statement(done)]
    }

    /// LangGraph's tables as its migrations 0 to 9 leave them.
    ///
    /// Ids compare by bytes, whatever the database's collation. The indexes on `thread_id` alone are left out: the primary keys
    /// begin with it.
    private static let creation = [
        "CREATE TABLE IF NOT EXISTS checkpoint_migrations (v INTEGER PRIMARY KEY)",
        """
        CREATE TABLE IF NOT EXISTS checkpoints (
            thread_id TEXT COLLATE "C" NOT NULL,
            checkpoint_ns TEXT COLLATE "C" NOT NULL DEFAULT '',
            checkpoint_id TEXT COLLATE "C" NOT NULL,
            parent_checkpoint_id TEXT COLLATE "C",
            type TEXT,
            checkpoint JSONB NOT NULL,
            metadata JSONB NOT NULL DEFAULT '{}',
            PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id)
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS checkpoint_blobs (
            thread_id TEXT COLLATE "C" NOT NULL,
            checkpoint_ns TEXT COLLATE "C" NOT NULL DEFAULT '',
            channel TEXT COLLATE "C" NOT NULL,
            version TEXT COLLATE "C" NOT NULL,
            type TEXT NOT NULL,
            blob BYTEA,
            PRIMARY KEY (thread_id, checkpoint_ns, channel, version)
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS checkpoint_writes (
            thread_id TEXT COLLATE "C" NOT NULL,
            checkpoint_ns TEXT COLLATE "C" NOT NULL DEFAULT '',
            checkpoint_id TEXT COLLATE "C" NOT NULL,
            task_id TEXT COLLATE "C" NOT NULL,
            idx INTEGER NOT NULL,
            channel TEXT COLLATE "C" NOT NULL,
            type TEXT,
            blob BYTEA NOT NULL,
            task_path TEXT COLLATE "C" NOT NULL DEFAULT '',
            PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id, task_id, idx)
        )
        """,
    ]

    /// Tells LangGraph's `setup()` that all of its migrations are done.
    private static let mark =
        "INSERT INTO checkpoint_migrations (v) SELECT generate_series(0, 9) ON CONFLICT DO NOTHING"

    /// A choice of the server's that its default does not make; tables that others made keep theirs.
    private static let compression = [
        """
        ALTER TABLE checkpoints
            ALTER COLUMN checkpoint SET COMPRESSION lz4, ALTER COLUMN metadata SET COMPRESSION lz4,
            ALTER COLUMN milepost_checkpoint SET COMPRESSION lz4, ALTER COLUMN milepost_metadata SET COMPRESSION lz4
        """,
        "ALTER TABLE checkpoint_blobs ALTER COLUMN blob SET COMPRESSION lz4",
        "ALTER TABLE checkpoint_writes ALTER COLUMN blob SET COMPRESSION lz4",
    ]

    /// What an older LangGraph's tables lack; its own later migrations do the same.
    private static let completion = [
        "ALTER TABLE checkpoint_blobs ALTER COLUMN blob DROP NOT NULL",
        "ALTER TABLE checkpoint_writes ADD COLUMN IF NOT EXISTS task_path TEXT NOT NULL DEFAULT ''",
    ]

    private static let additions = [
        """
        ALTER TABLE checkpoints
            ADD COLUMN IF NOT EXISTS milepost_checkpoint TEXT,
            ADD COLUMN IF NOT EXISTS milepost_metadata TEXT,
            ADD COLUMN IF NOT EXISTS milepost_digest BIGINT
        """,
        """
        CREATE TABLE IF NOT EXISTS milepost_probes (
            probe INTEGER PRIMARY KEY,
            probed_at TIMESTAMPTZ NOT NULL
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS milepost_migrations (
            version INTEGER PRIMARY KEY,
            applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
        )
        """,
    ]

    /// Of version 2: what is set for single threads, and which server sweeps.
    private static let retention = [
        """
        CREATE TABLE IF NOT EXISTS milepost_thread_settings (
            thread_id TEXT COLLATE "C" PRIMARY KEY,
            ttl BIGINT,
            hold BOOLEAN NOT NULL,
            pins TEXT NOT NULL
        )
        """,
        """
        CREATE TABLE IF NOT EXISTS milepost_leases (
            name TEXT PRIMARY KEY,
            holder TEXT NOT NULL,
            expires_at TIMESTAMPTZ NOT NULL
        )
        """,
    ]

    /// Not while an index is still being made, by whichever server: the next start looks again.
    private static let done = """
        INSERT INTO milepost_migrations (version)
        SELECT \(version) WHERE NOT EXISTS (
            SELECT 1 FROM pg_index JOIN pg_class ON oid = indexrelid
            WHERE indrelid = to_regclass('checkpoints') AND NOT indisvalid AND relname LIKE 'milepost%'
        )
        ON CONFLICT DO NOTHING
        """

    /// A name and what is indexed of `checkpoints`.
    private typealias Index = (name: String, columns: String)

    /// The newest of a namespace, and a page of it, by bytes; the primary key of columns that compare otherwise cannot.
    private static let namespaceIndex: Index = (
        "milepost_checkpoints_by_namespace", "thread_id, checkpoint_ns, checkpoint_id COLLATE \"C\""
    )

    /// A page over all namespaces of a thread.
    private static let threadIndex: Index = (
        "milepost_checkpoints_by_thread", "thread_id, checkpoint_id COLLATE \"C\", checkpoint_ns COLLATE \"C\""
    )

    private static func create(_ index: Index, _ how: String = "") -> String {
        "CREATE INDEX \(how)IF NOT EXISTS \(index.name) ON checkpoints (\(index.columns))"
    }

    /// What `distribute` runs.
    package static let distribution = [
        "SELECT create_distributed_table('checkpoints', 'thread_id')",
        "SELECT create_distributed_table('checkpoint_blobs', 'thread_id', colocate_with => 'checkpoints')",
        "SELECT create_distributed_table('checkpoint_writes', 'thread_id', colocate_with => 'checkpoints')",
        "SELECT create_distributed_table('milepost_thread_settings', 'thread_id', colocate_with => 'checkpoints')",
        "SELECT create_reference_table('checkpoint_migrations')",
        "SELECT create_reference_table('milepost_migrations')",
        "SELECT create_reference_table('milepost_probes')",
    ]
}
