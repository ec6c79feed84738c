import Checkpoints
import Foundation
import GRDB
import JSON
import SQLiteStorage
import Synchronization
import TestSupport
import Testing

/// What a sweep does while it is at it.
@Suite("Sweeping", .timeLimit(.minutes(5)))
struct SweepTests {
    private static let late = WallTime(milliseconds: 4_000_000_000_000)

    private static func retain(
        _ thread: ThreadKey,
        in store: some RetainingStore,
        _ policy: RetentionPolicy,
        _ pace: SweepPace
    ) async throws -> RetentionReport {
        try await store.retain(thread, under: policy, at: late, pace) { _ in }
    }

    @Test(
        "after every portion each checkpoint that is left is worth what it was, wherever the sweep stops",
        arguments: [Backend.sqlite, .encryptedSQLite, .postgres])
    func everyPortion(_ backend: Backend) async throws {
        var random = SeededGenerator(seed: testSeed("SweepTests.everyPortion"))
        let rounds = backend == .sqlite ? 40 : 6
        try await backend.withStore { store in
            let oracle = MemoryStore()
            var stops = 0
            for round in 0..<rounds {
                let thread = RandomThread(ThreadKey(Identifier("random\(round)")), &random)
                let policy =
                    round.isMultiple(of: 3)
                    ? RetentionPolicy(idle: .seconds(1))
                    : RetentionPolicy(keepLast: Int.random(in: 1...3, using: &random))
                try await thread.put(in: store)
                try await thread.put(in: oracle)
                let before = try await CheckpointState.all(of: thread.key, in: store)
                let problems = Mutex<[String]>([])
                let goesOn = Mutex(Int.random(in: 1...9, using: &random))
                let size = Int.random(in: 1...6, using: &random)
                let stopsBefore = stops
                while true {
                    let pace = SweepPace(size: size, largest: size, isResting: false) {
                        do {
                            for (place, state) in try await CheckpointState.all(of: thread.key, in: store)
                            where state != before[place] {
                                problems.withLock { $0.append("\(place) is another") }
                            }
                        } catch {
                            problems.withLock { $0.append("\(error)") }
                        }
                        return goesOn.withLock { left in
                            left -= 1
                            return left != 0
                        }
                    }
                    let report = try await Self.retain(thread.key, in: store, policy, pace)
                    guard report.outcome == .interrupted else { break }
                    stops += 1
                }
                #expect(problems.withLock { $0 } == [], "round \(round)")
                _ = try await Self.retain(thread.key, in: oracle, policy, SweepPace(isResting: false))
                let (left, expected) = (
                    try await CheckpointState.all(of: thread.key, in: store),
                    try await CheckpointState.all(of: thread.key, in: oracle)
                )
                #expect(Set(left.keys).isSubset(of: expected.keys), "round \(round)")
                if stops == stopsBefore { #expect(Set(left.keys) == Set(expected.keys), "round \(round)") }
                #expect(thread.waiting.isSubset(of: left.keys), "round \(round)")
                if !expected.isEmpty { #expect(left.keys.map(\.id).max() == before.keys.map(\.id).max()) }
                #expect(try await store.verify() == [])
            }
            #expect(backend == .postgres || stops > 0)
        }
    }

    @Test("a version that a sweep took may be put again with other bytes, and is read as what it is then")
    func putAgain() async throws {
        try await Backend.sqlite.withStore { store in
            let thread = ThreadKey("t")
            func put(_ number: Int, _ text: String) async throws {
                let value = Array(String(repeating: text, count: 200).utf8)
                let document = #"{"ts":"2026-01-01T00:00:00Z","channel_versions":{"a":"\#(number)"}}"#
                try await store.put(
                    Checkpoint(
                        key: .sample(Identifier("c\(number)"), thread: thread),
                        parentID: nil,
                        document: JSONText(trusted: Array(document.utf8)),
                        metadata: "{}"
                    ),
                    blobs: [.sample("a", Identifier("\(number)"), value)]
                )
                let found = try await store.tuple(in: thread, namespace: "", id: Identifier("c\(number)"))
                #expect(found?.blobs.first?.bytes == value)
            }
            for number in 1...9 { try await put(number, "what was said in step \(number); ") }
            let report = try await Self.retain(
                thread, in: store, RetentionPolicy(keepLast: 1), SweepPace(isResting: false))
            #expect(report.outcome == .pruned && report.removed.checkpoints == 8)
            for number in [1, 5, 8, 3] { try await put(number, "something else in step \(number); ") }
            try await put(10, "and it goes on; ")
            #expect(try await store.verify() == [])
        }
    }

    @Test(
        "versions that a sweep took and that come again in one transaction are made from one another as they are then")
    func addAgain() async throws {
        try await Backend.sqlite.withStore { store in
            let thread = ThreadKey("t")
            func blob(_ number: Int, _ text: String) -> ChannelBlob {
                .sample("a", Identifier("\(number)"), Array(String(repeating: "\(text) \(number); ", count: 300).utf8))
            }
            // The newest checkpoint has the least version, so that all later ones go.
            for number in 1...9 {
                let document = #"{"channel_versions":{"a":"\#(10 - number)"}}"#
                try await store.put(
                    .sample(
                        .sample(Identifier("c\(number)"), thread: thread),
                        document: JSONText(trusted: Array(document.utf8))),
                    blobs: [blob(10 - number, "first")]
                )
            }
            let report = try await Self.retain(
                thread, in: store, RetentionPolicy(keepLast: 1), SweepPace(isResting: false))
            #expect(report.removed.blobs == 8)
            let again = (2...9).map { blob($0, "first \($0), and then something else") }
            try await store.add(again.map { .blob(namespace: "", $0) }, to: thread)
            #expect(try await store.verify() == [])
            let stored = try await store.allRows(of: thread)
            for blob in again { #expect(stored.contains(.blob(namespace: "", blob))) }
        }
    }

    @Test("what agents put while sweeps run is there afterwards, and reads back")
    func concurrentPuts() async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        let isDone = Shared(false)
        let taken = Shared(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for agent in 0..<3 {
                group.addTask {
                    for step in 0..<120 {
                        // A sweep leaves a thread that was changed meanwhile: it has none to itself unless agents rest.
                        if step == 60 { try await eventually { taken.value.withLock { $0 } > 0 } }
                        try await Self.step(agent, step, store)
                    }
                }
            }
            group.addTask {
                while !isDone.value.withLock({ $0 }) {
                    for agent in 0..<3 {
                        let report = try await Self.retain(
                            ThreadKey(Identifier("agent\(agent)")), in: store, RetentionPolicy(keepLast: 2),
                            SweepPace(size: 3, largest: 3, isResting: false))
                        taken.value.withLock { $0 += report.removed.checkpoints }
                    }
                }
            }
            for _ in 0..<3 { try await group.next() }
            isDone.value.withLock { $0 = true }
            try await group.waitForAll()
        }
        #expect(taken.value.withLock { $0 } > 0)
        #expect(try await store.verify() == [])
        await store.close()
        // Without what is in memory.
        let again = try SQLiteStore(path: directory.file("a.db"))
        for agent in 0..<3 {
            let thread = ThreadKey(Identifier("agent\(agent)"))
            let head = try await again.tuple(in: thread, namespace: "", id: nil)
            #expect(head?.checkpoint.key.id == Self.id(119))
            #expect(head?.blobs.first { $0.channel == "a" }?.bytes == Self.value(agent, 119))
            #expect(head?.pendingWrites.count == 1)
        }
        await again.close()
    }

    private static func id(_ step: Int) -> Identifier { Identifier("c\(step + 1_000)") }

    private static func value(_ agent: Int, _ step: Int) -> [UInt8] {
        Array((0...step).map { "agent \(agent) said this in step \($0), and more. " }.joined().utf8)
            + [UInt8](repeating: UInt8(agent), count: 2_048)
    }

    private static func step(_ agent: Int, _ step: Int, _ store: SQLiteStore) async throws {
        let thread = ThreadKey(Identifier("agent\(agent)"))
        let document = #"{"ts":"2026-01-01T00:00:00Z","channel_versions":{"a":"\#(step + 1_000)","b":"\#(step / 7)"}}"#
        let checkpoint = Checkpoint(
            key: .sample(id(step), thread: thread),
            parentID: step == 0 ? nil : id(step - 1),
            document: JSONText(trusted: Array(document.utf8)),
            metadata: #"{"source":"loop"}"#
        )
        let value = value(agent, step)
        try await store.put(
            checkpoint,
            blobs: [.sample("a", Identifier("\(step + 1_000)"), value), .sample("b", Identifier("\(step / 7)"), value)])
        try await store.putWrites([.sample()], for: checkpoint.key, onConflict: .keepFirst)
        let head = try await store.tuple(in: thread, namespace: "", id: nil)
        #expect(head?.checkpoint.key.id == id(step))
        #expect(head?.blobs.first { $0.channel == "a" }?.bytes == value)
        #expect(head?.blobs.count == 2)
    }

    @Test("no transaction takes more than a portion, and what is taken goes back to the file system")
    func space() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        var random = SeededGenerator(seed: 1)
        for number in 0..<300 {
            let noise = (0..<8_000).map { _ in UInt8.random(in: 0...255, using: &random) }
            let document = #"{"ts":"2026-01-01T00:00:00Z","channel_versions":{"a":"\#(number)"}}"#
            try await store.put(
                .sample(
                    .sample(Identifier("c\(number + 1_000)")), document: JSONText(trusted: Array(document.utf8))),
                blobs: [.sample("a", Identifier("\(number)"), noise)]
            )
        }
        let counts = Mutex<[Int]>([])
        let report = try await Self.retain(
            ThreadKey("t1"), in: store, RetentionPolicy(idle: .seconds(1)),
            SweepPace(size: 40, largest: 40, isResting: false) {
                // What cannot be read now is read next time.
                let count = try? await store.summary(of: ThreadKey("t1"))?.counts.checkpoints ?? 0
                counts.withLock { $0.append(count ?? 0) }
                return true
            })
        #expect(report.outcome == .deleted && report.removed.checkpoints == 300)
        let steps = counts.withLock { zip([300] + $0, $0).map { $0 - $1 } }
        #expect(steps.count > 20 && steps.max() ?? 0 <= 13, "a checkpoint with its blob comes to four: \(steps)")
        let freed = try await store.reclaim(leaving: 0, SweepPace(size: 64, largest: 64, isResting: false))
        #expect(freed.bytes > 2_000_000 && freed.reason == nil)
        let free = try await store.onWriter { try Int.fetchOne($0, sql: "PRAGMA freelist_count") }
        #expect(free == 0)
        await store.close()
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        #expect(size ?? .max < 200_000)
    }

    @Test("a thread that is changed between two portions is left as it is then")
    func touched() async throws {
        try await Backend.sqlite.withStore { store in
            let thread = ThreadKey("t")
            for number in 1...9 {
                try await store.put(.sample(.sample(Identifier("c\(number)"), thread: thread)), blobs: [])
            }
            let pace = SweepPace(size: 2, largest: 2, isResting: false) {
                // An answer to what was about to go: then it is another thread.
                try? await store.putWrites(
                    [.sample("t", -3, channel: "__interrupt__")], for: .sample("c2", thread: thread),
                    onConflict: .replace)
                return true
            }
            let report = try await Self.retain(thread, in: store, RetentionPolicy(keepLast: 1), pace)
            #expect(report.outcome == .interrupted && report.removed.checkpoints == 1)
            let second = try await Self.retain(
                thread, in: store, RetentionPolicy(keepLast: 1), SweepPace(isResting: false))
            #expect(second.outcome == .pruned)
            let left = try await store.checkpoints(CheckpointQuery(thread: thread)).map(\.key.id)
            #expect(left == ["c9", "c2"])
        }
    }

    @Test("of two servers of one database one sweeps at a time, and the other when that one is gone")
    func lease() async throws {
        let directory = try TemporaryDirectory()
        let target = try PostgresServer.schema(named: directory.name)
        _ = target
        try await Backend.postgres.withStore { first in
            #expect(try await first.takeSweepTurn("a", for: .seconds(60)) != nil)
            #expect(try await first.takeSweepTurn("b", for: .seconds(60)) == nil)
            #expect(try await first.takeSweepTurn("a", for: .zero) != nil, "it is kept, and over at once")
            let time = try #require(try await first.takeSweepTurn("b", for: .seconds(60)))
            #expect(abs(time.since(.now).components.seconds) < 60)
            try await first.endSweepTurn("a")
            #expect(try await first.takeSweepTurn("a", for: .seconds(60)) == nil)
            try await first.endSweepTurn("b")
            #expect(try await first.takeSweepTurn("b", for: .seconds(86_460)) != nil)
            #expect(try await first.takeSweepTurn("a", for: .seconds(60)) != nil, "the clock was set back meanwhile")
            let sweep = RetentionSweep(RetentionPolicies(RetentionPolicy(keepLast: 1)), holder: "b")
            #expect(
                try await sweep.run(on: first, SweepPace()) { _ in
                } report: { _, _ in
                } == nil)
        }
    }

    @Test("a sweep that has not seen the clock yet takes nothing, and the next one does")
    func firstLook() async throws {
        let store = MemoryStore()
        let document: JSONText = #"{"ts":"2020-01-01T00:00:00Z"}"#
        for turn in 0..<2 {
            _ = try await store.put(.sample(document: document), blobs: [], expecting: .any)
            let sweep = RetentionSweep(
                RetentionPolicies(RetentionPolicy(idle: .seconds(60))), holder: "a", clock: SweepClock())
            if turn == 1 { try await sweep.lookAtClock(of: store) }
            let first = try await sweep.run(on: store, SweepPace()) { _ in
            } report: { _, _ in
            }
            #expect(first?.deleted == turn && first?.clockSet == nil)
            let second = try await sweep.run(on: store, SweepPace()) { _ in
            } report: { _, _ in
            }
            #expect(second?.deleted == 1 - turn)
        }
    }

    @Test("each tenant's threads go by its own policy", arguments: [Backend.memory, .sqlite, .postgres])
    func tenants(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let names: [Identifier] = ["", "acme", "none"]
            for name in names {
                for thread in 0..<3 {
                    for number in 1...4 {
                        let key = ThreadKey(Identifier("t\(thread)"), tenant: Tenant(name: name))
                        try await store.put(
                            .sample(
                                .sample(Identifier("c\(number)"), thread: key),
                                document: #"{"ts":"2026-01-01T00:00:00Z"}"#), blobs: [])
                    }
                }
            }
            let policies = RetentionPolicies(
                RetentionPolicy(keepLast: 2),
                ofTenants: [Tenant(name: "acme"): RetentionPolicy(age: .seconds(60)), Tenant(name: "none"): .none])
            let memory = SweepMemory()
            let sweep = RetentionSweep(policies, holder: "a", memory: memory)
            let expected = try await sweep.preview(of: store, at: .now) { _, _ in }
            let report = try #require(
                try await sweep.run(on: store, SweepPace(isResting: false)) { _ in
                } report: { _, _ in
                })
            #expect(report.threads == 9 && report.deleted == 3 && report.pruned == 3)
            #expect(expected.deleted == 3 && expected.removed.checkpoints == report.removed.checkpoints)
            let left = try await store.overviews(after: nil, limit: 100, areTimed: false)
            #expect(Set(left.map(\.thread.tenant.name)) == ["", "none"])
            #expect(left.allSatisfy { $0.checkpoints == ["": $0.thread.tenant == .default ? 2 : 4] })
            let again = try await sweep.run(on: store, SweepPace(isResting: false)) { _ in
            } report: { _, _ in
            }
            #expect(again?.didSomething == false)
        }
    }
}
