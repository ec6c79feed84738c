import Checkpoints
import Foundation
import GRDB
import SQLiteStorage
import TestSupport
import Testing

/// A copy of a store that is in use: of one moment, and a store by itself.
@Suite("Backup", .timeLimit(.minutes(5)))
struct BackupTests {
    /// Bytes that do not get shorter, so that few rows take many pages.
    static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static func fill(_ store: SQLiteStore, threads: Int) async throws {
        for number in 0..<threads {
            let key = CheckpointKey.sample(thread: ThreadKey(Identifier("t\(number)")))
            try await store.put(.sample(key), blobs: [.sample("a", "1", noise(100_000, seed: UInt64(number)))])
        }
    }

    private func copy(
        _ path: String, to copy: String, _ report: @escaping (Double) throws -> Void = { _ in }
    ) throws
        -> SQLiteBackup.Summary
    {
        try Data().write(to: URL(fileURLWithPath: copy))
        return try SQLiteBackup.copy(from: path, to: copy, report)
    }

    @Test("what changes while pages are copied is not in the copy, and does not make it begin anew")
    func snapshot() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        try await Self.fill(store, threads: 150)
        let before = try await store.contents()
        // Another writer stands for the server's, which is in another process.
        let other = try DatabaseQueue(path: path)
        var parts: [Double] = []
        let summary = try copy(path, to: directory.file("b.db")) { part in
            parts.append(part)
            try other.write { db in
                try db.execute(sql: "UPDATE blobs SET type = 'changed \(parts.count)'")
                let number = try Int.fetchOne(db, sql: "SELECT max(thread) FROM threads") ?? 0
                let thread = ["\(number + 1)", "new \(parts.count)"]
                try db.execute(
                    sql: "INSERT INTO threads (thread, tenant, thread_id) VALUES (?, '', ?)",
                    arguments: [thread[0], thread[1]])
            }
        }
        try other.close()
        await store.close()
        #expect(summary.threads == 150)
        #expect(parts.count > 3 && parts == parts.sorted() && Set(parts).count == parts.count && parts.last == 1)
        let copied = try SQLiteStore(path: directory.file("b.db"))
        #expect(try await copied.contents() == before)
        #expect(try await copied.verify() == [])
        await copied.close()
    }

    @Test("under load the copy is of one moment, with everything that was acknowledged before")
    func load() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        try await Self.fill(store, threads: 60)
        let acknowledged = Collected<Int>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // Each is put to the first thread, then to the second: no moment has it the other way round.
                var number = 100_000
                while !Task.isCancelled {
                    for name in ["first", "second"] {
                        let key = CheckpointKey.sample(Identifier("c\(number)"), thread: ThreadKey(Identifier(name)))
                        let blob = ChannelBlob.sample(
                            "a", Identifier("\(number)"), Self.noise(3_000, seed: UInt64(number)))
                        try await store.put(.sample(key), blobs: [blob])
                    }
                    acknowledged.append(number)
                    number += 1
                }
            }
            for round in 0..<5 {
                try await eventually { acknowledged.values.count >= round * 20 + 10 }
                let before = acknowledged.values.count
                let target = directory.file("b\(round).db")
                _ = try copy(path, to: target)
                let found = try await SQLiteStore.verify(path: target) { _ in }
                #expect(found.damage == [])
                let file = try SQLiteFile(path: target)
                let contents = try await file.contents()
                await file.close()
                let (first, second) = (
                    contents[ThreadKey("first")]?.count ?? 0, contents[ThreadKey("second")]?.count ?? 0
                )
                // Two rows each: the checkpoint and its blob.
                #expect(second >= before * 2 && (first - second == 0 || first - second == 2))
            }
            group.cancelAll()
            try await group.waitForAll()
        }
        await store.close()
    }

    @Test("the copy is a file by itself that can be read where nothing can be written")
    func readOnly() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await Self.fill(store, threads: 3)
        let inner = directory.file("inner")
        try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: false)
        let summary = try copy(directory.file("a.db"), to: inner + "/b.db")
        await store.close()
        #expect(try FileManager.default.contentsOfDirectory(atPath: inner) == ["b.db"])
        let bytes = try Data(contentsOf: URL(fileURLWithPath: inner + "/b.db"))
        #expect(bytes.count == summary.bytes)
        // Rollback mode: https://sqlite.org/fileformat2.html#file_format_version_numbers
        #expect(Array(bytes[18...19]) == [1, 1])
        #expect(try await SQLiteStore.verify(path: inner + "/b.db") { _ in }.damage == [])
        #expect(try FileManager.default.contentsOfDirectory(atPath: inner) == ["b.db"], "no log is made")
    }

    @Test("nothing of the source changes, and what is only in its log is copied")
    func source() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        try await Self.fill(store, threads: 3)
        let watcher = try DatabaseQueue(path: path)
        let version = try await watcher.read { try Int.fetchOne($0, sql: "PRAGMA data_version") }
        let log = try Data(contentsOf: URL(fileURLWithPath: path + "-wal"))
        #expect(!log.isEmpty)
        #expect(try copy(path, to: directory.file("b.db")).threads == 3)
        #expect(try await watcher.read { try Int.fetchOne($0, sql: "PRAGMA data_version") } == version)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path + "-wal")) == log, "the log is not moved")
        try watcher.close()
        await store.close()
    }

    @Test("what is no store is not copied, and a full disk is a sentence")
    func refused() async throws {
        let directory = try TemporaryDirectory()
        let foreign = directory.file("foreign.db")
        try await DatabaseQueue(path: foreign).write { try $0.execute(sql: "CREATE TABLE recipes (name TEXT)") }
        let error = #expect(throws: StoreOpenError.self) { try copy(foreign, to: directory.file("b.db")) }
        #expect(error?.kind == .foreign)
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await Self.fill(store, threads: 3)
        await store.close()
        let full = #expect(throws: StoreOpenError.self) {
            try SQLiteBackup.copy(from: directory.file("a.db"), to: "/dev/full")
        }
        #expect(full?.description.contains("/dev/full") == true)
    }

    @Test(
        "a checksum is what sha256sum says, whatever the name is", arguments: ["a.db", "with a blank", #"back\slash"#])
    func checksums(_ name: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file(name)
        try Data("hello\n".utf8).write(to: URL(fileURLWithPath: path))
        let checksum = try Checksum(of: path)
        #expect(checksum.digits == "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03")
        #expect(try Checksum(besides: path) == nil)
        try Durable.write(checksum.line(for: path), to: path + Checksum.suffix)
        #expect(try Checksum(besides: path) == checksum)
        let command = "cd '\(directory.path)' && sha256sum --check --strict --quiet '\(name + Checksum.suffix)'"
        let answer = try #require(popen(command, "r"))
        #expect(pclose(answer) == 0)
        try Durable.write("nonsense\n", to: path + Checksum.suffix)
        #expect(throws: StoreOpenError.self) { try Checksum(besides: path) }
    }
}
