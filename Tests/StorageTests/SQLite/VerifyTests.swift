import Checkpoints
import Foundation
import GRDB
import JSON
import SQLiteStorage
import Synchronization
import TestSupport
import Testing

/// Every kind of damage is named with its thread, and nothing else is.
@Suite("Verify", .timeLimit(.minutes(5)))
struct VerifyTests {
    private static let versions = 8

    /// A closed store with threads t1, t2 and, of tenant acme, t1: each with eight checkpoints, a chain of as many
    /// versions of `messages`, three writes of a checkpoint and one of an awaited one.
    private func withFile(_ body: (String) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        for thread in [ThreadKey("t1"), ThreadKey("t2"), ThreadKey("t1", tenant: Tenant(name: "acme"))] {
            try await Self.fill(thread, store)
        }
        await store.close()
        try await body(path)
    }

    private static func fill(_ thread: ThreadKey, _ store: SQLiteStore) async throws {
        var value: [UInt8] = []
        for number in 1...versions {
            for word in 0..<200 { value += Array("word \(number * word) ".utf8) }
            let document = JSONText(stringLiteral: #"{"channel_versions":{"messages":"\#(number)"}}"#)
            let key = CheckpointKey.sample(Identifier("c\(number)"), thread: thread)
            let blob = ChannelBlob.sample("messages", Identifier("\(number)"), value)
            try await store.put(.sample(key, document: document), blobs: [blob])
        }
        for id: Identifier in ["c1", "c9"] {
            let writes = (0..<(id == "c1" ? 3 : 1)).map { PendingWrite.sample("task", Int32($0)) }
            try await store.putWrites(
                writes, for: .sample(id, thread: thread, namespace: "sub"), onConflict: .keepFirst)
        }
    }

    private func change(_ path: String, _ sql: String) async throws {
        let database = try DatabaseQueue(path: path)
        try await database.write { try $0.execute(sql: sql) }
        try database.close()
    }

    private func damage(of path: String) async throws -> [StoreDamage] {
        try await SQLiteStore.verify(path: path) { _ in }.damage
    }

    @Test("a sound store has no damage, and everything in it is counted")
    func sound() async throws {
        try await withFile { path in
            let fractions = Mutex<[Double]>([])
            let found = try await SQLiteStore.verify(path: path) { progress in
                #expect(progress.damageCount == 0)
                if let fraction = progress.fraction { fractions.withLock { $0.append(fraction) } }
            }
            #expect(
                found
                    == StoreVerification(checked: .init(threads: 3, checkpoints: 24, blobs: 24, writes: 12), damage: [])
            )
            let shown = fractions.withLock(\.self)
            #expect(shown == shown.sorted() && shown.last == 1)
        }
    }

    @Test("an empty store has no damage")
    func empty() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        #expect(try await store.verify { _ in } == StoreVerification(checked: StoreCounts(), damage: []))
        await store.close()
    }

    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let sql: String
        let expected: [String]

        init(_ name: String, _ sql: String, _ expected: [String]) {
            testDescription = name
            self.sql = sql
            self.expected = expected
        }
    }

    private static let t1 = "thread = (SELECT thread FROM threads WHERE tenant = '' AND thread_id = 't1')"
    private static let acme = "thread = (SELECT thread FROM threads WHERE tenant = 'acme')"

    /// A value that is sound, whatever it means.
    private static func kept(_ value: [UInt8]) -> String {
        let stored = StoredBytes.alone(value, named: nil)
        let payload = (stored.payload ?? []).map { String(Int($0) + 0x100, radix: 16).dropFirst() }.joined()
        return "encoding = \(stored.code), payload = x'\(payload)'"
    }

    /// Flips a bit in the middle of the payload.
    private static let flipped = """
        CAST(substr(payload, 1, length(payload) / 2) AS BLOB) || char(1) || substr(payload, length(payload) / 2 + 2)
        """

    private static let spoilt = "its bytes or its name are damaged"

    /// Names that are sound by themselves, and not those that the values were stored under.
    static let names = [
        Case(
            "another parent",
            "UPDATE checkpoints SET parent_checkpoint_id = 'c1' WHERE checkpoint_id = 'c3' AND \(t1)",
            [#"checkpoint of thread "t1", checkpoint "c3": checkpoint row 3: \#(spoilt)"#]
        ),
        Case(
            "another checkpoint",
            "UPDATE checkpoints SET checkpoint_id = 'c9' WHERE checkpoint_id = 'c3' AND \(t1)",
            [#"checkpoint of thread "t1", checkpoint "c9": checkpoint row 3: \#(spoilt)"#]
        ),
        Case(
            "another type",
            "UPDATE blobs SET type = 'json' WHERE version = '8' AND \(t1)",
            [#"blob of thread "t1", channel "messages", version "8": blob row 8: \#(spoilt)"#]
        ),
        Case(
            "another version",
            "UPDATE blobs SET version = '9' WHERE version = '8' AND \(t1)",
            [#"blob of thread "t1", channel "messages", version "9": blob row 8: \#(spoilt)"#]
        ),
        Case(
            "another task",
            "UPDATE writes SET task_id = 'tasl' WHERE tenant = '' AND thread_id = 't1' AND checkpoint_id = 'c1'",
            [#"write of thread "t1", namespace "sub", checkpoint "c1", task "tasl": write row 1: \#(spoilt)"#]
        ),
        Case(
            "another thread",
            "UPDATE threads SET thread = 99 WHERE thread_id = 't2'; UPDATE threads SET thread = 2 WHERE tenant = 'acme';"
                + "UPDATE threads SET thread = 3 WHERE thread = 99",
            // All that each of them has: versions are read through the first one.
            [("tenant \"acme\", thread \"t1\"", 8), ("thread \"t2\"", 16)].flatMap { thread, row in
                (1...8).map { "checkpoint of \(thread), checkpoint \"c\($0)\": checkpoint row \(row + $0): \(spoilt)" }
            }
                + [("tenant \"acme\", thread \"t1\"", 9), ("thread \"t2\"", 17)].flatMap { thread, row in
                    (1...8).map {
                        "blob of \(thread), channel \"messages\", version \"\($0)\": blob row \(row): \(spoilt)"
                    }
                }
        ),
    ]

    static let cases = [
        Case(
            "a payload with another byte, in the last version",
            "UPDATE blobs SET payload = CAST(\(flipped) AS BLOB) WHERE version = '8' AND \(t1)",
            [#"blob of thread "t1", channel "messages", version "8": blob row 8: its bytes or its name are damaged"#]
        ),
        Case(
            "a payload with another byte, which others are read through",
            "UPDATE blobs SET payload = CAST(\(flipped) AS BLOB) WHERE version = '5' AND \(acme)",
            (5...8).map {
                #"blob of tenant "acme", thread "t1", channel "messages", version "\#($0)": "#
                    + "blob row 21: its bytes or its name are damaged"
            }
        ),
        Case(
            "a base that is missing",
            "DELETE FROM blobs WHERE version = '7' AND \(t1)",
            [#"blob of thread "t1", channel "messages", version "8": blob row 7: it is missing"#]
        ),
        Case(
            "a base in another thread",
            "UPDATE blobs SET base = 9 WHERE version = '2' AND \(t1)",
            [#"blob of thread "t1", channel "messages", version "2": blob row 2: its base belongs to another channel"#]
                // What is read through it.
                + (3...4).map {
                    #"blob of thread "t1", channel "messages", version "\#($0)": blob row 9: \#(spoilt)"#
                }
        ),
        Case(
            "an encoding that does not exist",
            "UPDATE blobs SET encoding = 77 WHERE version = '8' AND \(t1)",
            [#"blob of thread "t1", channel "messages", version "8": a row has an unknown encoding"#]
        ),
        Case(
            "a document that is cut",
            "UPDATE checkpoints SET payload = substr(payload, 1, 9) WHERE checkpoint_id = 'c3' AND \(acme)",
            [#"checkpoint of tenant "acme", thread "t1", checkpoint "c3": checkpoint row 19: \#(spoilt)"#]
        ),
        Case(
            "metadata that is empty",
            "UPDATE checkpoints SET \(kept([0, 0x7B, 0x7D])) WHERE checkpoint_id = 'c3' AND \(t1)",
            [
                #"checkpoint of thread "t1", checkpoint "c3": checkpoint row 3: its metadata is not JSON: "#
                    + "Expecting value: byte 0 (char 0)"
            ]
        ),
        Case(
            "rows without a thread",
            """
            INSERT INTO blobs (thread, checkpoint_ns, channel, version, type, position, encoding)
                VALUES (99, 'n', 'a', '1', '', 0, 3);
            INSERT INTO checkpoints (thread, checkpoint_ns, checkpoint_id, encoding, payload)
                SELECT 99, 'n', 'c1', encoding, payload FROM checkpoints WHERE checkpoint = 1;
            """,
            [
                #"orphan of namespace "n", checkpoint "c1": checkpoint row 25: there is no thread 99"#,
                #"orphan of namespace "n", channel "a", version "1": blob row 25: there is no thread 99"#,
            ]
        ),
        Case(
            "writes without a place",
            "DELETE FROM awaited_checkpoints WHERE tenant = '' AND thread_id = 't1' AND checkpoint_id = 'c1'",
            [
                #"unplaced of thread "t1", namespace "sub", checkpoint "c1": "#
                    + "its writes belong to no checkpoint, and none is awaited there"
            ]
        ),
        Case(
            "a write that cannot be read",
            "UPDATE writes SET encoding = 77 WHERE tenant = '' AND thread_id = 't1' AND checkpoint_id = 'c1'",
            [
                #"write of thread "t1", namespace "sub", checkpoint "c1", task "task": write row 1: "#
                    + "a row has an unknown encoding"
            ]
        ),
    ]

    @Test("damage is named with its thread, and no other thread is", arguments: cases + names)
    func named(_ damaged: Case) async throws {
        try await withFile { path in
            try await change(path, damaged.sql)
            #expect(try await damage(of: path).map(\.description) == damaged.expected)
            // An open store says the same.
            let store = try SQLiteStore(path: path)
            #expect(try await store.verify().map(\.description) == damaged.expected)
            await store.close()
        }
    }

    @Test("a checkpoint with a damaged parent is not read, and whole once it is put again")
    func putAgain() async throws {
        try await withFile { path in
            try await change(path, "UPDATE checkpoints SET parent_checkpoint_id = 'c1' WHERE checkpoint_id = 'c3'")
            let store = try SQLiteStore(path: path)
            let key = CheckpointKey.sample("c3", thread: ThreadKey("t1"))
            await #expect(throws: StoreError.self) { try await store.tuple(in: key.thread, namespace: "", id: "c3") }
            for parent in ["c2", "c4"] as [Identifier] {
                try await store.put(.sample(key, parent: parent), blobs: [])
                let found = try await store.tuple(in: key.thread, namespace: "", id: "c3")
                #expect(found?.checkpoint == .sample(key, parent: "c2"))
            }
            #expect(try await store.verify().count == 2, "those of the other threads")
            await store.close()
        }
    }

    @Test("all damages at once are all named")
    func together() async throws {
        try await withFile { path in
            // Not those that fall on the rows of another case.
            for number in [1, 4, 5, 6, 7, 8, 9] { try await change(path, Self.cases[number].sql) }
            let found = try await damage(of: path)
            #expect(found.count == 11)
            #expect(Set(found.map(\.kind)) == [.checkpoint, .blob, .write, .orphan, .unplaced])
        }
    }

    @Test("damage in one of many pages of rows is found, and every row is counted once")
    func pages() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        for thread in 0..<10 {
            for number in 0..<70 {
                let key = CheckpointKey.sample(Identifier("c\(number)"), thread: ThreadKey(Identifier("t\(thread)")))
                try await store.put(.sample(key), blobs: [.sample("a", Identifier("\(number)"))])
                try await store.putWrites([.sample("x"), .sample("y")], for: key, onConflict: .keepFirst)
            }
        }
        await store.close()
        try await change(path, "UPDATE checkpoints SET payload = x'7b' WHERE checkpoint % 7 = 0")
        try await change(path, "UPDATE writes SET encoding = 77 WHERE thread_id = 't6' AND task_id = 'y'")
        let found = try await SQLiteStore.verify(path: path) { _ in }
        #expect(found.checked == StoreCounts(threads: 10, checkpoints: 700, blobs: 700, writes: 1_400 - 70))
        #expect(found.damage.count { $0.kind == .checkpoint } == 100)
        #expect(found.damage.count { $0.kind == .write && $0.thread == ThreadKey("t6") && $0.taskID == "y" } == 70)
        #expect(found.damage.count == 170)
    }

    @Test("ids with NUL, and texts that are no UTF-8 any more, neither stop the walk nor hide a row")
    func oddTexts() async throws {
        try await withFile { path in
            let store = try SQLiteStore(path: path)
            let odd = CheckpointKey.sample("a\0b", thread: ThreadKey("t\0"), namespace: "\u{1b}[2J")
            try await store.put(.sample(odd), blobs: [.sample("c\0d", "1\0")])
            try await store.putWrites([.sample("e\0f")], for: odd, onConflict: .keepFirst)
            #expect(try await store.verify() == [])
            await store.close()
            try await change(
                path,
                "UPDATE writes SET encoding = 77, task_id = CAST(x'74ff80' AS TEXT) WHERE thread_id = CAST(x'7400' AS TEXT)"
            )
            let found = try await SQLiteStore.verify(path: path) { _ in }
            #expect(found.checked.writes == 12)
            #expect(
                found.damage.map(\.description) == [
                    #"write of thread "t\u{0}", namespace "\u{1b}[2J", checkpoint "a\u{0}b", task "t\#u{fffd}\#u{fffd}": "#
                        + "write row 7: a row has an unknown encoding"
                ]
            )
        }
    }
}
