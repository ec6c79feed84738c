package import Checkpoints

extension PostgresSchema {
    // MARK: - Opening

    static func connect(_ target: ConnectionString) throws(StoreOpenError) -> PostgresConnection {
        let connection: PostgresConnection
        do throws(PostgresFailure) {
            connection = try PostgresConnection(target)
        } catch {
            throw StoreOpenError(
                .notAccessible,
                "cannot connect to \(target.description): \(error.message.oneLine)",
                hint: "check the connection string, the password and that the server takes connections"
            )
        }
        guard connection.serverVersion >= 120_000 else {
            throw StoreOpenError(
                .foreign,
                "PostgreSQL at \(target.description) is version \(connection.serverVersion / 10_000)",
                hint: "use 12 or later"
            )
        }
        let encoding = connection.reported("server_encoding") ?? "unknown"
        guard encoding == "UTF8" else {
            throw StoreOpenError(
                .foreign,
                "the database at \(target.description) has the encoding \(encoding)",
                hint: "use one made with ENCODING 'UTF8'; no other holds every text"
            )
        }
        return connection
    }

    /// Brings the tables up to date if they are not; servers that start at once do not disturb each other.
    ///
    /// `isRequired`: whether a role that may not make what is new since version 1 is refused; a server goes on without that.
    static func migrate(
        _ connection: PostgresConnection,
        _ target: ConnectionString,
        isRequired: Bool = true
    ) throws(StoreOpenError) {
        let state = try state(connection, target)
        let steps = steps(from: state)
        do throws(PostgresFailure) {
            if !steps.isEmpty && !connection.isPooled { try run(.statement(withoutLimits), on: connection) }
            for step in steps { try runPatiently(step, on: connection) }
        } catch  where !isRequired && state.version != nil && error.state == "42501" {
            if connection.needsRollback { try rollBack(connection, target) }
        } catch {
            throw refusal(error, target)
        }
        try checkRights(connection, target)
    }

    /// What can be read of the tables as they are; refuses a database that has none.
    ///
    /// Changes nothing.
    static func columns(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) -> PostgresColumns {
        let state = try state(connection, target)
        guard state.hasTables else {
            throw StoreOpenError(
                .foreign,
                "there are no checkpoints at \(target.description)",
                hint: "check the name of the database and the search_path"
            )
        }
        var columns = PostgresColumns()
        if !state.hasTexts { columns.texts = "checkpoint::text, metadata::text" }
        columns.hasSettings = state.hasRetention
        if !state.hasTaskPath { columns.taskPath = "''" }
        return columns
    }

    /// What the tables need, for `psql`; empty when they are up to date.
    package static func pendingStatements(_ target: ConnectionString) throws(StoreOpenError) -> [String] {
        try steps(from: state(connect(target), target)).flatMap(\.lines)
    }

    /// Brings the tables up to date.
    package static func migrate(_ target: ConnectionString) throws(StoreOpenError) {
        try migrate(connect(target), target)
    }

    /// Asked a second time before it is called foreign: catalogues are not read at one moment, and another server may be making
    /// the tables.
    private static func state(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) -> State {
        do throws(StoreOpenError) {
            return try stateNow(connection, target)
        } catch {
            guard error.kind == .foreign else { throw error }
            return try stateNow(connection, target)
        }
    }

    private static func stateNow(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) -> State {
        var state = State()
        var hasMigrations = false
        try ask(tablesQuery, connection, target) { result in
            state.hasTables = result.isTrue(0, 0)
            hasMigrations = result.isTrue(0, 1)
            state.comparesBytes = result.isTrue(0, 2)
            state.isForeign = state.hasTables && !result.isTrue(0, 3)
            state.isComplete = result.isTrue(0, 4)
            state.hasTaskPath = result.isTrue(0, 5)
            state.hasTexts = result.isTrue(0, 6)
            state.hasLZ4 = result.isTrue(0, 7)
            state.hasRetention = result.isTrue(0, 9)
            state.invalidIndexes = result.identifier(0, 8).text.split(separator: " ").map(String.init)
        }
        if state.isForeign {
            throw StoreOpenError(
                .foreign,
                "the table checkpoints at \(target.description) is neither LangGraph's nor Agentex's",
                hint: "use another database, or another schema by adding ?options=-csearch_path%3DNAME"
            )
        }
        guard hasMigrations else { return state }
        try ask(versionQuery, connection, target) { state.version = $0.isNull(0, 0) ? nil : $0.integer(0, 0) }
        if let found = state.version, found > version {
            throw StoreOpenError(
                .newerSchema,
                "the tables at \(target.description) are version \(found), this program knows \(version)",
                hint: "run the newer program that made them"
            )
        }
        return state
    }

    private static let tablesQuery = StatementText(
        "schema_tables",
        """
        SELECT to_regclass('checkpoints') IS NOT NULL, to_regclass('milepost_migrations') IS NOT NULL,
            coalesce((
                SELECT bool_and(collcollate IN ('C', 'POSIX') OR (attcollation = 100 AND datcollate IN ('C', 'POSIX')
                    AND coalesce(to_jsonb(here) ->> 'datlocprovider', 'c') = 'c'))
                FROM pg_attribute JOIN pg_collation ON pg_collation.oid = attcollation
                    CROSS JOIN (SELECT * FROM pg_database WHERE datname = current_database()) AS here
                WHERE attrelid = to_regclass('checkpoints') AND attname IN ('checkpoint_ns', 'checkpoint_id')
            ), false),
            (
                SELECT count(*) = 6 FROM pg_attribute
                WHERE attrelid = to_regclass('checkpoints') AND NOT attisdropped AND attname IN (
                    'thread_id', 'checkpoint_ns', 'checkpoint_id', 'parent_checkpoint_id', 'checkpoint', 'metadata'
                )
            ),
            (
                SELECT count(*) = 2 FROM pg_attribute
                WHERE (attrelid = to_regclass('checkpoint_blobs') AND attname = 'blob' AND NOT attnotnull)
                    OR (attrelid = to_regclass('checkpoint_writes') AND attname = 'task_path')
            ),
            EXISTS (
                SELECT 1 FROM pg_attribute
                WHERE attrelid = to_regclass('checkpoint_writes') AND attname = 'task_path'
            ),
            EXISTS (
                SELECT 1 FROM pg_attribute
                WHERE attrelid = to_regclass('checkpoints') AND attname = 'milepost_digest' AND NOT attisdropped
            ),
            (
                SELECT coalesce(bool_or('lz4' = ANY(enumvals)), false) FROM pg_settings
                WHERE name = 'default_toast_compression'
            ),
            (
                SELECT coalesce(string_agg(relname, ' '), '') FROM pg_index JOIN pg_class ON oid = indexrelid
                WHERE indrelid = to_regclass('checkpoints') AND NOT indisvalid AND relname LIKE 'milepost%'
                    AND NOT EXISTS (
                        SELECT 1 FROM pg_stat_progress_create_index WHERE relid = to_regclass('checkpoints')
                    )
            ),
            to_regclass('milepost_thread_settings') IS NOT NULL AND to_regclass('milepost_leases') IS NOT NULL
        """,
        isPrepared: false
    )
    private static let versionQuery = StatementText(
        "schema_version",
        "SELECT max(version) FILTER (WHERE version NOT IN (\(mixedMark), \(sealedMark))) FROM milepost_migrations",
        isPrepared: false
    )

    // MARK: - Citus

    /// Distributes the tables over a Citus cluster by thread, rows of a thread together; throws when Citus is not there.
    ///
    /// https://docs.citusdata.com/en/stable/develop/api_udf.html#create-distributed-table
    package static func distribute(_ target: ConnectionString) throws(StoreOpenError) {
        let connection = try connect(target)
        try migrate(connection, target)
        var hasCitus = false
        try ask(citusQuery, connection, target) { hasCitus = $0.isTrue(0, 0) }
        guard hasCitus else {
            throw StoreOpenError(
                .foreign,
                "Citus is not installed in the database at \(target.description)",
                hint: "run CREATE EXTENSION citus on every node first, or leave the tables where they are"
            )
        }
        do throws(PostgresFailure) {
            try run(.transaction(["SET LOCAL statement_timeout = 0"] + distribution), on: connection)
        } catch {
            throw refusal(error, target)
        }
    }

    private static let citusQuery = StatementText(
        "schema_citus",
        "SELECT EXISTS (SELECT 1 FROM pg_extension WHERE extname = 'citus')",
        isPrepared: false
    )

    // MARK: - Rights and settings

    private static let rightsQuery = StatementText(
        "schema_rights",
        """
        SELECT string_agg(privilege || ' on ' || name, ', ')
        FROM unnest(ARRAY['checkpoints', 'checkpoint_blobs', 'checkpoint_writes', 'milepost_probes']) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
        WHERE NOT has_table_privilege(name, privilege)
            AND (name <> 'milepost_probes' OR privilege <> 'DELETE')
        """,
        isPrepared: false
    )

    /// Whether what is set for threads can be read and written, and the turn to sweep be taken.
    static func hasRetention(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) -> Bool {
        guard try state(connection, target).hasRetention else { return false }
        var hasRights = false
        try ask(retentionRightsQuery, connection, target) { hasRights = $0.isTrue(0, 0) }
        return hasRights
    }

    /// A warning.
    static let withoutRetention =
        "this role cannot use the tables milepost_thread_settings and milepost_leases: nothing can be set for single threads, and "
        + "nothing goes by itself; run 'milepost migrate' once as the tables' owner, and GRANT SELECT, INSERT, UPDATE, DELETE on both"

    private static let retentionRightsQuery = StatementText(
        "schema_retention_rights",
        """
        SELECT bool_and(has_table_privilege(name, privilege))
        FROM unnest(ARRAY['milepost_thread_settings', 'milepost_leases']) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
        """,
        isPrepared: false
    )

    private static func rollBack(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) {
        do throws(PostgresFailure) {
            try run(.statement("ROLLBACK"), on: connection)
        } catch {
            throw refusal(error, target)
        }
    }

    static func checkRights(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) {
        var missing: String?
        try ask(rightsQuery, connection, target) { missing = $0.optionalIdentifier(0, 0)?.text }
        if let missing {
            throw StoreOpenError(
                .notAccessible,
                "this role lacks \(missing) at \(target.description)",
                hint: "GRANT it to the role, and SELECT on milepost_migrations"
            )
        }
    }

    private static let settingsQuery = StatementText(
        "schema_settings",
        """
        SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
            current_setting('synchronous_standby_names')
        """,
        isPrepared: false
    )

    /// What endangers acknowledged writes, each a sentence.
    static func warnings(
        _ connection: PostgresConnection,
        _ target: ConnectionString
    ) throws(StoreOpenError) -> [String] {
        var warnings: [String] = []
        try ask(settingsQuery, connection, target) { result in
            for (column, name) in ["fsync", "synchronous_commit", "full_page_writes"].enumerated()
            where result.identifier(0, column) == "off" {
                warnings.append(
                    "PostgreSQL runs with \(name) = off: a crash or a loss of power can lose writes that were acknowledged; "
                        + "set it to on"
                )
            }
            if result.identifier(0, 1) == "local", !result.identifier(0, 3).isEmpty {
                warnings.append(
                    "PostgreSQL runs with synchronous_commit = local: a fail-over to a standby can lose writes that were "
                        + "acknowledged; set it to on"
                )
            }
        }
        return warnings
    }

    // MARK: - Asking

    static func ask(
        _ text: StatementText,
        _ connection: PostgresConnection,
        _ target: ConnectionString,
        _ onResult: (borrowing PostgresResult) -> Void
    ) throws(StoreOpenError) {
        do throws(PostgresFailure) {
            try connection.run(PostgresStatement(text), until: .now + PostgresLimits.patience, onResult: onResult)
        } catch {
            throw refusal(error, target)
        }
    }

    /// A session of its own, so that a step may take as long as it takes.
    private static let withoutLimits =
        "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)"

    /// Waits in short turns for a lock that others hold, so that nobody queues behind us for long.
    private static func runPatiently(_ step: Step, on connection: PostgresConnection) throws(PostgresFailure) {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            do throws(PostgresFailure) {
                return try run(step, on: connection)
            } catch {
                // 42P07: another server was faster.
                if error.state == "42P07" { return }
                guard ["55P03", "40P01"].contains(error.state), ContinuousClock.now < deadline else { throw error }
                try run(.statement("ROLLBACK"), on: connection)
            }
        }
    }

    static func run(_ step: Step, on connection: PostgresConnection) throws(PostgresFailure) {
        let group = step.lines.map { PostgresStatement(StatementText("migration", $0, isPrepared: false)) }
        let failures = try connection.run([group], until: .now + .seconds(24 * 3_600)) { _, _, _ in }
        if let failure = failures[0] { throw failure }
    }

    private static func refusal(_ failure: PostgresFailure, _ target: ConnectionString) -> StoreOpenError {
        if failure.state == "42501" {
            return StoreOpenError(
                .olderSchema,
                "the tables at \(target.description) are not ready and this role may not change them "
                    + "(\(failure.message.oneLine))",
                hint: "run 'milepost migrate' once as their owner, or what 'milepost migrate --print-sql' prints"
            )
        }
        return StoreOpenError(
            .notAccessible,
            "the tables at \(target.description) cannot be made ready: \(failure.message.oneLine)",
            hint: "correct that, then start again: each step is whole or not done"
        )
    }
}
