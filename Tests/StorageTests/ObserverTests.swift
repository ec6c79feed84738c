import Checkpoints
import Foundation
import GRDB
import PostgresStorage
import SQLiteStorage
import Synchronization
import TestSupport
import Testing

/// What stores tell of themselves.
@Suite("Store observers", .timeLimit(.minutes(5)))
struct ObserverTests {
    private final class Recorder: StoreObserver {
        struct Seen {
            var reports: [CommitReport] = []
            var failures = 0
            var flushes: [Duration] = []
            var evicted = 0
        }

        private let state = Mutex(Seen())
        var seen: Seen { state.withLock { $0 } }
        func committed(_ report: CommitReport) { state.withLock { $0.reports.append(report) } }
        func commitFailed() { state.withLock { $0.failures += 1 } }
        func flushed(_ time: Duration) { state.withLock { $0.flushes.append(time) } }
        func evicted(_ count: Int) { state.withLock { $0.evicted += count } }
        func forget() { state.withLock { $0 = Seen() } }
    }

    private func withSQLite(_ body: (SQLiteStore, Recorder, String) async throws -> Void) async throws {
        let directory = try TemporaryDirectory()
        let recorder = Recorder()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path, observer: recorder)
        recorder.forget()
        do {
            try await body(store, recorder, path)
        } catch {
            await store.close()
            throw error
        }
        await store.close()
    }

    @Test("A commit of SQLite is told with its parts, and with what it keeps")
    func commit() async throws {
        try await withSQLite { store, recorder, _ in
            try await store.putWrites(
                [WriteGroup([.sample("t", 0, [UInt8](repeating: 7, count: 5_000))], onConflict: .keepFirst)],
                for: .sample())
            let report = try #require(recorder.seen.reports.first)
            #expect(recorder.seen.reports.count == 1)
            #expect(report.waits.count == 1 && report.waits.allSatisfy { $0 >= .zero })
            #expect(try #require(report.applying) > .zero)
            #expect(report.committing > .zero)
            #expect(report.logicalBytes > 5_000 && report.logicalBytes < 5_100)
            #expect(report.storedBytes > 0 && report.storedBytes < 100)
            #expect(recorder.seen.failures == 0)
        }
    }

    @Test("What is there already is not counted again")
    func again() async throws {
        try await withSQLite { store, recorder, _ in
            let blob = ChannelBlob.sample("c", "1", [UInt8](repeating: 1, count: 1_000))
            for _ in 0..<2 { _ = try await store.put(.sample(), blobs: [blob], expecting: .any) }
            // {"id":"c1"} and {}
            #expect(recorder.seen.reports.map(\.logicalBytes) == [1_013, 13])
        }
    }

    @Test("Changes that share a transaction are told as one batch, each with its wait")
    func batch() async throws {
        try await withSQLite { store, recorder, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<100 as Range<Int32> {
                    group.addTask {
                        let group = WriteGroup([.sample("t", index)], onConflict: .keepFirst)
                        try await store.putWrites([group], for: .sample())
                    }
                }
                try await group.waitForAll()
            }
            let seen = recorder.seen
            #expect(seen.reports.reduce(0) { $0 + $1.waits.count } == 100)
            #expect(seen.reports.count == store.commitCount)
            #expect(seen.reports.count < 100)
        }
    }

    @Test("Each commit is one flush, timed in the writer's own files; other connections are as they were")
    func flushes() async throws {
        try await withSQLite { store, recorder, path in
            for _ in 0..<3 { try await store.probe() }
            // More when the log was moved meanwhile.
            #expect(recorder.seen.flushes.count >= 3)
            #expect(recorder.seen.flushes.allSatisfy { $0 > .zero })
            // The log is moved into the file: that flushes both.
            try await store.onWriter { db in _ = try db.checkpoint(.truncate) }
            #expect(recorder.seen.flushes.count > 3)
            // Another connection to the same file flushes unseen. The writer may move its log meanwhile, and that is seen.
            let other = try DatabaseQueue(path: path)
            try await other.writeWithoutTransaction { db in
                try db.execute(sql: "PRAGMA synchronous = FULL")
                try db.execute(sql: "CREATE TABLE other (x)")
            }
            try await eventually {
                let count = recorder.seen.flushes.count
                try await other.write { try $0.execute(sql: "INSERT INTO other VALUES (1)") }
                return recorder.seen.flushes.count == count
            }
            try other.close()
        }
    }

    @Test("A transaction that fails is told as such")
    func failure() async throws {
        try await withSQLite { store, recorder, _ in
            try await store.onWriter { db in
                try db.execute(
                    sql: "CREATE TEMP TRIGGER no BEFORE INSERT ON probes BEGIN SELECT raise(ABORT, 'no'); END")
            }
            await #expect(throws: StoreError.self) { try await store.probe() }
            #expect(recorder.seen.failures == 1)
            #expect(recorder.seen.reports.isEmpty)
        }
    }

    @Test("Blobs that are forgotten to make room are told")
    func evictions() async throws {
        try await withSQLite { store, recorder, _ in
            // 32 MiB are remembered.
            for version in 0..<12 {
                var generator = SystemRandomNumberGenerator()
                let bytes = (0..<(4 << 20) / 8).flatMap { _ in withUnsafeBytes(of: generator.next(), Array.init) }
                let id = Identifier(String(version))
                _ = try await store.put(.sample(.sample(id)), blobs: [.sample("c", id, bytes)], expecting: .any)
            }
            #expect(recorder.seen.evicted > 0 && recorder.seen.evicted < 12)
        }
    }

    @Test("SQLite says how large it is and how many threads it has")
    func sizes() async throws {
        try await withSQLite { store, _, path in
            _ = try await store.put(.sample(), blobs: [], expecting: .any)
            let sizes = try await answered { store.measure(then: $0) }
            #expect(try #require(sizes.bytes) >= 4_096 && sizes.bytes?.isMultiple(of: 4_096) == true)
            #expect(sizes.freeBytes != nil)
            #expect(try await answered { store.countThreads(then: $0) } == 1)
            let log = try FileManager.default.attributesOfItem(atPath: path + "-wal")[.size] as? Int
            #expect(store.load.logBytes == log && store.load.logBytes != 0)
            #expect(try #require(store.load.diskFreeBytes) > 0)
        }
    }

    @Test("PostgreSQL tells of its batches, and says its sizes and connections")
    func postgres() async throws {
        let directory = try TemporaryDirectory()
        let recorder = Recorder()
        let store = try PostgresStore(
            ConnectionString(PostgresServer.schema(named: directory.name)), observer: recorder)
        do {
            #expect(store.load.lanes.map(\.name) == ["shared", "single", "deletion", "reader", "slow"])
            #expect(store.load.lanes.allSatisfy { $0.open == 0 && $0.busy == 0 })
            let group = WriteGroup([.sample("t", 0, [UInt8](repeating: 7, count: 50))], onConflict: .keepFirst)
            try await store.putWrites([group], for: .sample())
            let report = try #require(recorder.seen.reports.first)
            #expect(report.waits.count == 1 && report.applying == nil && report.committing > .zero)
            #expect(report.logicalBytes == 50 && report.storedBytes == 0)
            #expect(store.load.lanes.first { $0.name == "shared" }?.open == 1)
            #expect(try #require(try await answered { store.measure(then: $0) }.bytes) > 0)
            // There are statistics or none; the question is a good one.
            _ = try await answered { store.countThreads(then: $0) }
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        #expect(store.load.lanes.allSatisfy { $0.open == 0 })
    }

    @Test("A call learns where its time went, whichever store answers it", arguments: Backend.durable)
    func calls(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let put = CallTimes()
            // Long enough for a look at the versions before it.
            let blob = ChannelBlob.sample("c", "1", [UInt8](repeating: 1, count: 4_000))
            _ = try await CallTimes.$current.withValue(put) {
                try await store.put(.sample(), blobs: [blob], expecting: .any)
            }
            let get = CallTimes()
            _ = try await CallTimes.$current.withValue(get) {
                try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil, parts: .tuple)
            }
            #expect(put[.queue] != nil)
            #expect(try #require(put[.commit]).duration > .zero)
            #expect(get[.queue] != nil && get[.commit] == nil)
            #expect(try #require(get[.read]).duration > .zero)
            #expect(store.load != StoreLoad())
            #expect(try #require(try await answered { store.measure(then: $0) }.bytes) > 0)
        }
    }
}
