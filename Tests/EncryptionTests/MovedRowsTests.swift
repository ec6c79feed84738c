import Checkpoints
import TestSupport
import Testing

/// Rows that somebody with the database's password moves or changes.
@Suite("Moved and changed rows", .timeLimit(.minutes(5)))
struct MovedRowsTests {
    private static let sqlite: [(what: String, sql: String)] = {
        func move(_ table: String, _ id: String, _ from: Int) -> String {
            """
            UPDATE \(table) SET (encoding, payload) = (SELECT encoding, payload FROM \(table) WHERE \(id) = \(from))
            WHERE \(id) = 1
            """
        }
        // Of each thread there are three blobs (a 1, b 1, a 2), two checkpoints and two tasks' writes.
        return [
            ("a blob of another channel", move("blobs", "blob", 2)), ("of another version", move("blobs", "blob", 3)),
            ("of another thread", move("blobs", "blob", 4)), ("of another tenant", move("blobs", "blob", 7)),
            ("its type", "UPDATE blobs SET type = 'json' WHERE blob = 1"),
            ("another checkpoint", move("checkpoints", "checkpoint", 2)),
            ("another thread's", move("checkpoints", "checkpoint", 3)),
            ("another tenant's", move("checkpoints", "checkpoint", 5)),
            ("another task's writes", move("writes", "write", 2)),
            ("another thread's", move("writes", "write", 3)), ("another tenant's", move("writes", "write", 5)),
        ]
    }()

    private static let postgres: [(what: String, sql: String)] = {
        let acme = "E'\\x1F4:acmet1'"
        func blob(_ from: String) -> String {
            """
            UPDATE checkpoint_blobs AS old SET blob = new.blob FROM checkpoint_blobs AS new
            WHERE old.thread_id = 't1' AND old.channel = 'a' AND old.version = '1' AND \(from)
            """
        }
        func checkpoint(_ from: String) -> String {
            """
            UPDATE checkpoints AS old SET checkpoint = new.checkpoint, milepost_checkpoint = new.milepost_checkpoint,
                milepost_metadata = new.milepost_metadata, milepost_digest = new.milepost_digest FROM checkpoints AS new
            WHERE old.thread_id = 't1' AND old.checkpoint_id = 'c1' AND \(from)
            """
        }
        func write(_ from: String) -> String {
            """
            UPDATE checkpoint_writes AS old SET blob = new.blob FROM checkpoint_writes AS new
            WHERE old.thread_id = 't1' AND old.task_id = 'x' AND old.idx = 0 AND \(from)
            """
        }
        let a1 = "new.channel = 'a' AND new.version = '1'"
        let c1 = "new.checkpoint_id = 'c1'"
        let x0 = "new.task_id = 'x' AND new.idx = 0"
        return [
            ("a blob of another channel", blob("new.thread_id = 't1' AND new.channel = 'b'")),
            ("of another version", blob("new.thread_id = 't1' AND new.channel = 'a' AND new.version = '2'")),
            ("of another thread", blob("new.thread_id = 't2' AND \(a1)")),
            ("of another tenant", blob("new.thread_id = \(acme) AND \(a1)")),
            (
                "its type",
                "UPDATE checkpoint_blobs SET type = 'json' WHERE thread_id = 't1' AND version = '1' AND channel = 'a'"
            ),
            (
                "a bit",
                """
                UPDATE checkpoint_blobs SET blob = set_bit(blob, 300, 1 - get_bit(blob, 300))
                WHERE thread_id = 't1' AND version = '1' AND channel = 'a'
                """
            ),
            ("another checkpoint", checkpoint("new.thread_id = 't1' AND new.checkpoint_id = 'c2'")),
            ("another thread's", checkpoint("new.thread_id = 't2' AND \(c1)")),
            ("another tenant's", checkpoint("new.thread_id = \(acme) AND \(c1)")),
            (
                "the versions that the database looks at",
                """
                UPDATE checkpoints SET checkpoint = jsonb_set(checkpoint, '{channel_versions,a}', '"2"')
                WHERE thread_id = 't1' AND checkpoint_id = 'c1'
                """
            ),
            (
                "metadata",
                """
                UPDATE checkpoints SET metadata = '{"open":"other"}', milepost_digest = NULL
                WHERE thread_id = 't1' AND checkpoint_id = 'c1'
                """
            ),
            ("another index", write("new.thread_id = 't1' AND new.task_id = 'x' AND new.idx = 1")),
            ("another task's", write("new.thread_id = 't1' AND new.task_id = 'y' AND new.idx = 0")),
            ("another thread's", write("new.thread_id = 't2' AND \(x0)")),
            ("another tenant's", write("new.thread_id = \(acme) AND \(x0)")),
            (
                "plaintext",
                """
                UPDATE checkpoint_blobs SET blob = 'planted' WHERE thread_id = 't1' AND version = '1' AND channel = 'a'
                """
            ),
            (
                "plaintext",
                "UPDATE checkpoint_writes SET blob = 'planted' WHERE thread_id = 't1' AND task_id = 'x' AND idx = 0"
            ),
            (
                "plaintext",
                """
                UPDATE checkpoints SET checkpoint = '{"channel_versions":{}}', milepost_digest = NULL
                WHERE thread_id = 't1' AND checkpoint_id = 'c1'
                """
            ),
        ]
    }()

    @Test("What was moved or changed is an error, and everything else can be read", arguments: Engine.allCases)
    func moved(_ engine: Engine) async throws {
        for (what, sql) in engine == .sqlite ? Self.sqlite : Self.postgres {
            let directory = try TemporaryDirectory()
            try await engine.withEncrypted(directory) { try await Planted.fill($0) }
            try engine.execute(sql, directory)
            try await engine.withEncrypted(directory) { store in
                let error = await #expect(throws: StoreError.self, "\(what)") {
                    try await store.tuple(in: Planted.threads[0], namespace: "", id: "c1")
                }
                #expect(error?.kind == .corrupt, "\(what)")
                for thread in Planted.threads.dropFirst() {
                    let tuple = try await store.tuple(in: thread, namespace: "", id: "c1")
                    #expect(tuple?.blobs.count == 2 && tuple?.pendingWrites.count == 4, "\(what)")
                }
                let damage = try await store.verify()
                #expect(!damage.isEmpty, "\(what)")
                #expect(damage.allSatisfy { $0.thread == Planted.threads[0] }, "\(what)")
            }
        }
    }

    @Test("A look-up that was turned to another version finds none: a missing row cannot be told from none")
    func turned() async throws {
        let directory = try TemporaryDirectory()
        try await Engine.postgres.withEncrypted(directory) { try await Planted.fill($0) }
        let changed = #"jsonb_set(checkpoint, '{channel_versions,a}', '"2"')"#
        try Engine.postgres.execute(
            """
            UPDATE checkpoints SET checkpoint = \(changed), milepost_digest =
                hashtextextended(\(changed)::text, 0) # hashtextextended(metadata::text, 1)
            WHERE thread_id = 't1' AND checkpoint_id = 'c1'
            """,
            directory
        )
        try await Engine.postgres.withEncrypted(directory) { store in
            let tuple = try await store.tuple(in: Planted.threads[0], namespace: "", id: "c1")
            #expect(tuple?.blobs.map(\.channel) == ["b"])
        }
    }
}
