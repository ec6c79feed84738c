import Checkpoints
import Dispatch
import Foundation
import GRDB
import JSON
import SQLiteStorage
import TestSupport
import Testing

/// Group commit: who shares a transaction, and what a failure does to the others.
@Suite("The SQLite writer", .timeLimit(.minutes(5)))
struct SQLiteWriterTests {
    @Test("changes that wait together are committed together")
    func groups() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        let before = store.commitCount
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<1_000 {
                group.addTask {
                    let key = CheckpointKey.sample(thread: ThreadKey(Identifier("t\(number)")))
                    try await store.putWrites([.sample()], for: key, onConflict: .keepFirst)
                }
            }
            try await group.waitForAll()
        }
        let transactions = store.commitCount - before
        #expect(transactions >= 4, "at most 256 changes share one")
        #expect(transactions < 500, "1,000 changes at once took \(transactions) transactions")
        await store.close()
    }

    @Test("a change that fails leaves nothing behind and its neighbours untouched")
    func neighbours() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        // The layout refuses a checkpoint of this id, as a full disk or a defect would in the middle of a batch.
        try await store.onWriter { db in
            try db.execute(
                sql: """
                    CREATE TRIGGER refuse BEFORE INSERT ON checkpoints WHEN NEW.checkpoint_id = 'bad'
                    BEGIN SELECT RAISE(ABORT, 'refused'); END
                    """
            )
        }
        let failures = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<300 {
                group.addTask {
                    let id: Identifier = number % 10 == 0 ? "bad" : Identifier("c\(number)")
                    let key = CheckpointKey.sample(id, thread: ThreadKey(Identifier("t\(number)")))
                    do {
                        try await store.put(.sample(key), blobs: [.sample("a")])
                        return false
                    } catch {
                        return true
                    }
                }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(failures == 30)
        for number in 0..<300 {
            let found = try await store.checkpoints(CheckpointQuery(thread: ThreadKey(Identifier("t\(number)"))))
            #expect(found.count == (number % 10 == 0 ? 0 : 1))
        }
        #expect(try await store.verify() == [])
        await store.close()
    }

    @Test("a full file is an error that changes nothing; reads go on, and so do writes once there is space")
    func full() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await store.put(.sample(), blobs: [])
        try await store.onWriter { try $0.execute(sql: "PRAGMA max_page_count = 40") }
        var random = SeededGenerator(seed: testSeed("SQLiteWriter.full"))
        let large = (0..<1_000_000).map { _ in UInt8.random(in: 0...255, using: &random) }
        let error = await #expect(throws: StoreError.self) {
            try await store.putWrites([.sample("t", 0, large)], for: .sample(), onConflict: .keepFirst)
        }
        #expect(error?.kind == .full)
        #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.pendingWrites == [])
        try await store.putWrites([.sample("small")], for: .sample(), onConflict: .keepFirst)
        try await store.onWriter { try $0.execute(sql: "PRAGMA max_page_count = 1000000") }
        try await store.putWrites([.sample("t", 0, large)], for: .sample(), onConflict: .keepFirst)
        let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)
        #expect(tuple?.pendingWrites.map(\.bytes.count) == [1, 1_000_000])
        await store.close()
    }

    @Test("the log is moved into the file as it grows, and begins anew")
    func log() async throws {
        var random = SeededGenerator(seed: testSeed("SQLiteWriter.log"))
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        for number in 0..<60 {
            let noise = (0..<500_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            let key = CheckpointKey.sample(Identifier("c\(number)"))
            try await store.putWrites([.sample("t", 0, noise)], for: key, onConflict: .keepFirst)
        }
        let attributes = try FileManager.default.attributesOfItem(atPath: directory.file("a.db-wal"))
        let logBytes = attributes[.size] as? Int ?? .max
        #expect(logBytes < 10_000_000, "the log of 30 MB of changes is \(logBytes) bytes long")
        await store.close()
    }

    /// How many pages a log has, and how many of them were moved into the file: both stand in its index.
    ///
    /// https://www.sqlite.org/walformat.html#walidxfmt
    private static func pages(ofLog directory: TemporaryDirectory) throws -> (all: UInt32, moved: UInt32) {
        let index = try Data(contentsOf: URL(fileURLWithPath: directory.file("a.db-shm")))
        return index.withUnsafeBytes { bytes in
            (
                bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self),
                bytes.loadUnaligned(fromByteOffset: 96, as: UInt32.self)
            )
        }
    }

    @Test("only the writer moves the log: reads leave it where it is")
    func readersLeaveTheLog() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await store.put(.sample(), blobs: [])
        let (held, holding) = AsyncStream<UInt32>.makeStream()
        let release = DispatchSemaphore(value: 0)
        async let writer: Void = store.onWriter { db in
            // Pages in the log that nobody has moved, and the writer cannot while it is in here.
            try db.execute(sql: "CREATE TABLE pages_in_the_log (x)")
            holding.yield(try Self.pages(ofLog: directory).moved)
            release.wait()
        }
        defer { release.signal() }
        let before = try #require(await held.first { _ in true })
        for _ in 0..<100 {
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil) != nil)
        }
        #expect(try Self.pages(ofLog: directory).moved == before)
        release.signal()
        try await writer
        try await store.onWriter { try $0.execute(sql: "PRAGMA wal_checkpoint(PASSIVE)") }
        #expect(try Self.pages(ofLog: directory).moved > before, "the writer's moving is what this test looks at")
        await store.close()
    }

    @Test("what a reader kept in the log when nothing came is moved once it has ended")
    func logAfterReader() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await store.put(.sample(.sample("c1")), blobs: [])
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: directory.file("a.db"), configuration: configuration)
        try await reader.writeWithoutTransaction { db in
            try db.execute(sql: "BEGIN")
            _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM checkpoints")
        }
        try await store.put(.sample(.sample("c2")), blobs: [])
        // Long enough for the writer to have tried.
        try await Task.sleep(for: .milliseconds(400))
        let kept = try Self.pages(ofLog: directory)
        #expect(kept.moved < kept.all)
        try await reader.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
        for _ in 0..<200 where try Self.pages(ofLog: directory).moved < kept.all {
            try await Task.sleep(for: .milliseconds(50))
        }
        #expect(try Self.pages(ofLog: directory).moved == kept.all)
        try reader.close()
        await store.close()
    }

    @Test("a thread that is deleted and begun anew has none of its old values, whatever is remembered")
    func anew() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        for round in 0..<20 {
            for name in ["t1", "t2"] {
                let thread = ThreadKey(Identifier(name))
                let value = Array("\(name) in round \(round)".utf8)
                let key = CheckpointKey.sample(thread: thread)
                let document: JSONText = #"{"channel_versions":{"a":"1"}}"#
                try await store.put(.sample(key, document: document), blobs: [.sample("a", "1", value)])
                let found = try await store.tuple(in: thread, namespace: "", id: nil)
                #expect(found?.blobs.first?.bytes == value)
            }
            // The one with the greater number goes, and its rows' numbers are free again.
            try await store.deleteThread(ThreadKey("t2"))
            try await store.deleteThread(ThreadKey("t1"))
            #expect(try await store.tuple(in: ThreadKey("t2"), namespace: "", id: nil) == nil)
        }
        await store.close()
    }

    @Test("a reader sees one snapshot: checkpoint, blob and write of one version")
    func snapshot() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        let thread = ThreadKey("t1")
        try await store.put(.sample(document: #"{"channel_versions":{"a":"0"}}"#), blobs: [.sample("a", "0", [0])])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                for version in 1...200 {
                    let document = #"{"channel_versions":{"a":"\#(version)"}}"#
                    let id = Identifier("c\(version + 1_000)")
                    try await store.put(
                        .sample(.sample(id), document: .init(stringLiteral: document)),
                        blobs: [.sample("a", Identifier("\(version)"), [UInt8(version)])]
                    )
                }
            }
            for _ in 0..<3 {
                group.addTask {
                    for _ in 0..<200 {
                        let tuple = try await store.tuple(in: thread, namespace: "", id: nil)
                        #expect(tuple?.blobs.count == 1, "a checkpoint without the blob put with it")
                    }
                }
            }
            try await group.waitForAll()
        }
        await store.close()
    }

    @Test("closing commits what was accepted")
    func closing() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        let accepted = await withTaskGroup(of: Int?.self) { group in
            for number in 0..<500 {
                group.addTask {
                    let key = CheckpointKey.sample(thread: ThreadKey(Identifier("t\(number)")))
                    do throws(StoreError) {
                        try await store.put(.sample(key), blobs: [])
                        return number
                    } catch {
                        #expect(error.kind == .closed)
                        return nil
                    }
                }
            }
            group.addTask {
                await store.close()
                return nil
            }
            return await group.reduce(into: []) { if let number = $1 { $0.append(number) } }
        }
        let again = try SQLiteStore(path: directory.file("a.db"))
        for number in accepted {
            #expect(
                try await again.checkpoints(CheckpointQuery(thread: ThreadKey(Identifier("t\(number)")))).count == 1)
        }
        #expect(try await again.verify() == [])
        await again.close()
    }
}
