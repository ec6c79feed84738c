import Checkpoints
import Foundation
import GRDB
import JSON
import SQLiteStorage
import Synchronization
import TestSupport
import Testing

/// Verify as it is run on a file from outside: while a store has it open, with damaged pages, and on files it refuses.
@Suite("Verify on a file", .timeLimit(.minutes(5)))
struct VerifyFileTests {
    private func damage(of path: String) async throws -> [StoreDamage] {
        try await SQLiteStore.verify(path: path) { _ in }.damage
    }

    /// Puts `count` versions of a channel that grows, a checkpoint and two writes each.
    private static func fill(
        _ thread: ThreadKey,
        _ count: Int,
        namespace: Identifier = "",
        _ store: SQLiteStore
    ) async throws {
        var value: [UInt8] = []
        for number in 100..<(100 + count) {
            for word in 0..<50 { value += Array("\(thread.id.text) \(number * word) ".utf8) }
            let key = CheckpointKey.sample(Identifier("c\(number)"), thread: thread, namespace: namespace)
            try await store.putWrites([.sample("x"), .sample("y", 0, value)], for: key, onConflict: .keepFirst)
            try await store.put(.sample(key), blobs: [.sample("a", Identifier("\(number)"), value)])
        }
    }

    // MARK: - While a store has it open

    @Test("a file that a store has open is read, with what is in its log, and nothing of it changes")
    func served() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        try await Self.fill(ThreadKey("t1"), 20, store)
        let files = try FileManager.default.contentsOfDirectory(atPath: directory.path)
        let watcher = try DatabaseQueue(path: path)
        let before = try await watcher.read { try Int.fetchOne($0, sql: "PRAGMA data_version") }
        let found = try await SQLiteStore.verify(path: path) { _ in }
        #expect(found.checked == StoreCounts(threads: 1, checkpoints: 20, blobs: 20, writes: 40))
        #expect(found.damage == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted() == files.sorted())
        // It counts the changes of other connections. https://www.sqlite.org/pragma.html#pragma_data_version
        #expect(try await watcher.read { try Int.fetchOne($0, sql: "PRAGMA data_version") } == before)
        // The store still has its locks and its file.
        #expect(throws: StoreOpenError.self) { try SQLiteStore(path: path) }
        try await store.put(.sample(), blobs: [])
        await store.close()
    }

    @Test("changes of many clients, and threads that are deleted meanwhile, are not damage")
    func busy() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        for number in 0..<6 { try await Self.fill(ThreadKey(Identifier("stays\(number)")), 20, store) }
        let walks = Shared(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<6 {
                group.addTask {
                    for round in 0..<25 {
                        if round == 20 { try await eventually { walks.value.withLock { $0 } > 0 } }
                        let thread = ThreadKey(Identifier("client\(client) \(round % 2)"))
                        try await Self.fill(thread, 6, store)
                        if round % 3 != 0 { try await store.deleteThread(thread) }
                    }
                }
            }
            for _ in 0..<2 {
                group.addTask {
                    while !Task.isCancelled {
                        let found = try await [damage(of: path), store.verify()]
                        #expect(found == [[], []])
                        walks.value.withLock { $0 += 1 }
                    }
                }
            }
            for _ in 0..<6 { try await group.next() }
            group.cancelAll()
            try await group.waitForAll()
        }
        await store.close()
    }

    // MARK: - Damaged pages

    /// Overwrites a leaf page in the middle of a table or index with zeros.
    private func clearPage(of name: String, _ path: String) throws {
        let database = try DatabaseQueue(path: path)
        let pages = try database.read { db in
            try Int.fetchAll(
                db,
                sql: "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path",
                arguments: [name]
            )
        }
        try database.close()
        try #require(pages.count > 4)
        let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
        try file.seek(toOffset: UInt64(pages[pages.count / 2] - 1) * 4_096)
        try file.write(contentsOf: Data(count: 4_096))
        try file.close()
    }

    private func withLargeFile(_ body: (String) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        // A long key, so that few rows take many pages.
        let namespace = Identifier(String(repeating: "n", count: 200))
        for number in 0..<20 {
            try await Self.fill(ThreadKey(Identifier("t\(number)")), 20, namespace: namespace, store)
        }
        await store.close()
        try await body(directory.file("a.db"))
    }

    @Test(
        "a damaged page of rows takes only its own along, and each is named",
        arguments: [(table: "blobs", kind: StoreDamage.Kind.blob), ("checkpoints", .checkpoint), ("writes", .write)]
    )
    func tablePage(_ table: String, _ kind: StoreDamage.Kind) async throws {
        try await withLargeFile { path in
            try clearPage(of: table, path)
            let found = try await SQLiteStore.verify(path: path) { _ in }
            #expect(found.damage.contains { $0.kind == .file })
            let rows = found.damage.filter { $0.kind != .file }
            #expect(rows.allSatisfy { $0.kind == kind && $0.thread != nil })
            // How many writes a row has that cannot be read is not known: here each has one.
            let lost = kind == .write ? rows.count : 0
            #expect(found.checked == StoreCounts(threads: 20, checkpoints: 400, blobs: 400, writes: 800 - lost))
            #expect(!rows.isEmpty && rows.count < 200, "\(rows.count)")
        }
    }

    @Test(
        "where rows cannot be listed, those on both sides are looked at all the same",
        arguments: ["blobs_by_version", "checkpoints_by_namespace", "writes_by_task"]
    )
    func listPage(_ name: String) async throws {
        try await withLargeFile { path in
            try await DatabaseQueue(path: path).write { db in
                try db.execute(sql: "UPDATE checkpoints SET payload = x'7b' WHERE checkpoint IN (1, 400)")
                try db.execute(
                    sql: "UPDATE writes SET encoding = 77 WHERE checkpoint_id IN ('c100', 'c119') AND task_id = 'x'")
            }
            try clearPage(of: name, path)
            let found = try await SQLiteStore.verify(path: path) { _ in }
            #expect(found.damage.contains { $0.kind == .file && $0.detail.hasSuffix("cannot be listed") })
            #expect(found.damage.count { $0.kind == .checkpoint } == 2)
            let writes = found.damage.filter { $0.kind == .write && $0.detail.contains("unknown encoding") }
            #expect(writes.count == 40 && Set(writes.map(\.checkpointID)) == ["c100", "c119"])
            let counts = found.checked
            #expect(counts.checkpoints >= 300 && counts.blobs >= 300 && counts.writes >= 700, "\(counts)")
            #expect(counts.checkpoints + counts.blobs + counts.writes < 1_600)
        }
    }

    // MARK: - Refused

    private func refusal(of path: String) async -> StoreOpenError? {
        await #expect(throws: StoreOpenError.self) { try await SQLiteStore.verify(path: path) { _ in } }
    }

    @Test("a file that is not there is not made", arguments: ["missing.db", "missing/a.db", ""])
    func missing(_ name: String) async throws {
        let directory = try TemporaryDirectory()
        let error = await refusal(of: name.isEmpty ? "" : directory.file(name))
        #expect(error?.kind == .notAccessible)
        #expect(error?.description.hasSuffix("this user may read") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == [])
    }

    @Test("a directory, garbage, an empty file and another program's database are refused and left as they are")
    func notOurs() async throws {
        let directory = try TemporaryDirectory()
        #expect(await refusal(of: directory.path)?.kind == .notAccessible)
        let path = directory.file("a.db")
        for (content, kind) in [
            (Data("no database".utf8) + Data(count: 9_000), StoreOpenError.Kind.corrupt), (Data(), .foreign),
        ] {
            try content.write(to: URL(fileURLWithPath: path))
            #expect(await refusal(of: path)?.kind == kind)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == content)
        }
        try await DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE theirs (x)") }
        #expect(await refusal(of: path)?.kind == .foreign)
        #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["a.db"])
    }

    @Test("an older layout and a newer one are refused, with what to do, and not brought up to date")
    func otherLayouts() async throws {
        let directory = try TemporaryDirectory()
        let older = directory.file("older.db")
        let database = try DatabaseQueue(path: older)
        try SQLiteSchema.migrator.migrate(database, upTo: "1 threads, checkpoints, blobs, writes")
        try database.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: older))
        let error = await refusal(of: older)
        #expect(error?.kind == .olderSchema)
        #expect(error?.description.contains("milepost serve") == true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: older)) == before)

        let newer = directory.file("newer.db")
        let store = try SQLiteStore(path: newer)
        await store.close()
        try await DatabaseQueue(path: newer).write { db in
            try db.execute(sql: "INSERT INTO grdb_migrations (identifier) VALUES ('99 from the future')")
        }
        #expect(await refusal(of: newer)?.kind == .newerSchema)
    }

    // MARK: - What its tables are

    /// A file whose schema was changed by `change`, past SQLite's checks.
    private func file(_ directory: TemporaryDirectory, _ change: String) async throws -> String {
        let path = directory.file("\(UUID()).db")
        await (try SQLiteStore(path: path)).close()
        let database = try DatabaseQueue(path: path)
        try await database.writeWithoutTransaction { db in
            try db.execute(sql: "PRAGMA writable_schema = ON; \(change); PRAGMA writable_schema = RESET")
        }
        try database.close()
        return path
    }

    @Test(
        "a table or an index that is not as it was made: verify names it, and no store opens on it",
        arguments: [
            ("parent_checkpoint_id", "parent_bheckpoint_id", "checkpoints"),
            ("parent_checkpoint_id ANY", "parent_checkpoint_id INT", "checkpoints"),
            ("ON threads (thread)", "ON threads (thread DESC)", "threads_by_number"),
            ("UNIQUE INDEX blobs", "INDEX blobs", "blobs_by_version"),
            ("payload BLOB NOT NULL\n) STRICT", "payload BLOB NOT NULL\n)", "checkpoints"),
        ])
    func definitions(_ old: String, _ new: String, _ name: String) async throws {
        let directory = try TemporaryDirectory()
        let path = try await file(directory, "UPDATE sqlite_schema SET sql = replace(sql, '\(old)', '\(new)')")
        let words = "\(name) is not defined as it was made"
        #expect(try await damage(of: path).map(\.detail).contains(words))
        #expect(try SQLiteExamination(path: path).damage.contains(words))
        let error = #expect(throws: StoreOpenError.self) { try SQLiteStore(path: path) }
        #expect(error?.kind == .corrupt)
        #expect(error?.problem == "\(path) is damaged (\(words))")
    }

    @Test("a table that is gone is named; comments, and what others added, are not looked at")
    func otherDefinitions() async throws {
        let directory = try TemporaryDirectory()
        let gone = try await file(directory, "DROP TABLE probes")
        #expect(try await damage(of: gone).map(\.detail) == ["there is no probes"])
        #expect(throws: StoreOpenError.self) { try SQLiteStore(path: gone) }
        let sound = try await file(
            directory,
            "CREATE TABLE theirs (x); UPDATE sqlite_schema SET sql = replace(sql, '-- Seconds', '-- Sebonds')")
        #expect(try await damage(of: sound) == [])
        await (try SQLiteStore(path: sound)).close()
        let virtual = try await file(
            directory,
            "INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING absent(x)')")
        #expect(try await damage(of: virtual) == [])
        await (try SQLiteStore(path: virtual)).close()
    }
}
