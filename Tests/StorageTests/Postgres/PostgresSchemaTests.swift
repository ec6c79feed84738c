import Checkpoints
import PostgresStorage
import TestSupport
import Testing

/// How the tables come to be.
@Suite("PostgreSQL's tables", .timeLimit(.minutes(5)))
struct PostgresSchemaTests {
    private let directory: TemporaryDirectory
    private let schema: String

    init() throws {
        directory = try TemporaryDirectory()
        schema = try PostgresServer.schema(named: directory.name)
    }

    private func pending() throws -> [String] {
        try PostgresSchema.pendingStatements(ConnectionString(schema))
    }

    @Test("an empty schema gets LangGraph's tables, marked so that its setup() has nothing to do")
    func empty() throws {
        #expect(try !pending().isEmpty)
        try PostgresSchema.migrate(ConnectionString(schema))
        #expect(try pending().isEmpty)
        let marks = try PostgresServer.execute("SELECT v FROM checkpoint_migrations ORDER BY v", on: schema)
        #expect(marks == (0...9).map(String.init))
        try PostgresServer.execute(LangGraphTables.statements, on: schema)
        try PostgresSchema.migrate(ConnectionString(schema))
    }

    @Test("tables of LangGraph's keep their columns and get an index for byte order")
    func adopted() throws {
        try PostgresServer.execute(LangGraphTables.statements, on: schema)
        try PostgresSchema.migrate(ConnectionString(schema))
        let indexes = try PostgresServer.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND indexname LIKE 'milepost%' ORDER BY 1",
            on: schema
        )
        #expect(
            indexes == [
                "milepost_checkpoints_by_namespace", "milepost_checkpoints_by_thread", "milepost_leases_pkey",
                "milepost_migrations_pkey", "milepost_probes_pkey", "milepost_thread_settings_pkey",
            ]
        )
    }

    @Test("each query on checkpoints is served by an index in its own order", arguments: [true, false])
    func plans(isAdopted: Bool) throws {
        if isAdopted { try PostgresServer.execute(LangGraphTables.statements, on: schema) }
        try PostgresSchema.migrate(ConnectionString(schema))
        for order in ["checkpoint_ns = '' ORDER BY checkpoint_id", "true ORDER BY checkpoint_id"] {
            let tail = order.hasPrefix("true") ? ", checkpoint_ns COLLATE \"C\" DESC" : ""
            let plan = try PostgresServer.execute(
                """
                SET enable_seqscan = off; SET enable_bitmapscan = off;
                EXPLAIN SELECT checkpoint FROM checkpoints WHERE thread_id = 't' AND \(order) COLLATE "C" DESC\(tail)
                LIMIT 10
                """,
                on: schema
            )
            #expect(plan.contains { $0.contains("Index Scan Backward") }, "\(plan)")
            #expect(!plan.contains { $0.contains("Sort") }, "\(plan)")
        }
    }

    @Test("a newer version is refused, and nothing is changed")
    func newer() throws {
        try PostgresSchema.migrate(ConnectionString(schema))
        try PostgresServer.execute("INSERT INTO milepost_migrations (version) VALUES (1000)", on: schema)
        let error = #expect(throws: StoreOpenError.self) { try PostgresStore(ConnectionString(schema)) }
        #expect(error?.kind == .newerSchema)
    }

    @Test("without Citus nothing is distributed, and the message says so")
    func citus() throws {
        let error = #expect(throws: StoreOpenError.self) { try PostgresSchema.distribute(ConnectionString(schema)) }
        #expect(error?.description.contains("Citus is not installed") == true)
    }

    @Test(
        "a connection string shows no password, and one that cannot be read is an error that shows none",
        arguments: [
            ("postgresql://u:secret@h1:1,h2:2/d?sslmode=require", "postgresql://h1:1,h2:2/d"),
            ("host=h port=5 dbname=d password=secret", "postgresql://h:5/d"),
            ("postgres:///d?host=/run/x", "postgresql:///run/x/d"),
        ]
    )
    func connectionStrings(_ text: String, _ shown: String) throws {
        #expect(try ConnectionString(text).description == shown)
        let error = #expect(throws: StoreOpenError.self) {
            try ConnectionString("postgresql://u:secret@h/d?nonsense=1")
        }
        #expect(error?.description.contains("secret") == false)
    }
}
