import Checkpoints
import Foundation
import SQLiteStorage
import Synchronization
import TestSupport
import Testing

/// Loss of power while clients write: writes that no sync had made durable are dropped, torn and reordered, and the
/// store is opened on what is left.
///
/// The short form looks at some hundreds of such states; `MILEPOST_CRASH_STATES=100000` at as many.
@Suite("Loss of power", .timeLimit(.minutes(240)))
struct PowerLossTests {
    private static let clients = 4
    private static let states = ProcessInfo.processInfo.environment["MILEPOST_CRASH_STATES"].flatMap { Int($0) } ?? 200
    /// States that one run of the clients gives.
    private static let statesOfRun = 100
    private static let callsOfClient = 50

    private typealias Contents = [ThreadKey: [ThreadRow]]

    /// What a client did, and what it has stored after so many calls.
    private struct History: Sendable {
        var calls: [SimulatedCall] = []
        var contents: [Contents] = [[:]]

        /// Whether this may be there when so many calls were answered: the next one may have taken effect too.
        ///
        /// Each is one transaction, but for one that deletes runs: that is one a thread.
        func allows(_ found: Contents, answered: Int) -> Bool {
            let possible = contents[answered...].prefix(2)
            guard answered < calls.count, case .deleteRuns = calls[answered] else { return possible.contains(found) }
            let threads = Set(found.keys).union(possible.flatMap(\.keys))
            return threads.allSatisfy { thread in possible.contains { $0[thread] == found[thread] } }
        }
    }

    private struct Run {
        let crashes: [FaultyDisk.Crash]
        /// Of each client.
        let histories: [History]
    }

    /// Calls of each client that were answered.
    private final class Answered: Sendable {
        let counts = Mutex([Int](repeating: 0, count: clients))
    }

    /// Each client has a tenant of its own, and all share the writer's transactions.
    private func run(seed: UInt64, ignoringSyncs: Bool = false) async throws -> Run {
        let answered = Answered()
        let disk = try FaultyDisk(ignoresSyncs: ignoringSyncs, crashEvery: 7) { answered.counts.withLock { $0 } }
        let store = try SQLiteStore(path: disk.path)
        let histories = try await withThrowingTaskGroup(of: (Int, History).self) { group in
            for client in 0..<Self.clients {
                group.addTask {
                    var random = SeededGenerator(seed: seed &+ UInt64(client))
                    let oracle = MemoryStore()
                    var history = History()
                    for _ in 0..<Self.callsOfClient {
                        let call = SimulatedCall.random(&random, Self.scope(client))
                        _ = try await call.answer(on: store)
                        answered.counts.withLock { $0[client] += 1 }
                        _ = try await call.answer(on: oracle)
                        history.calls.append(call)
                        history.contents.append(try await oracle.contents())
                    }
                    return (client, history)
                }
            }
            return try await group.reduce(into: [History](repeating: History(), count: Self.clients)) {
                $0[$1.0] = $1.1
            }
        }
        // What is moved into the file when nothing comes for a moment is a part of it.
        try await Task.sleep(for: .milliseconds(200))
        await store.close()
        return Run(crashes: disk.crashes, histories: histories)
    }

    private static func tenant(_ client: Int) -> Tenant { Tenant(name: Identifier("client\(client)")) }

    /// Calls that are one transaction each.
    private static func scope(_ client: Int) -> SimulatedCall.Scope {
        SimulatedCall.Scope(tenant: tenant(client), isWhole: false, isSwept: false)
    }

    /// What is wrong with the store that a crash left; nil when every change that was answered is there, each whole or
    /// absent that was not, and nothing is damaged.
    private func fault(
        _ crash: FaultyDisk.Crash, _ loss: DiskImage.Loss, _ histories: [History], _ random: inout SeededGenerator
    ) async throws -> String? {
        let directory = try TemporaryDirectory()
        try crash.image.write(to: directory, losing: loss, &random)
        let store: SQLiteStore
        do {
            store = try SQLiteStore(path: directory.file("a.db"))
        } catch {
            return "it does not open: \(error)"
        }
        defer { Task { await store.close() } }
        do {
            let damage = try await store.verify()
            guard damage.isEmpty else { return "damage: \(damage.map(\.description))" }
            let found = try await store.contents()
            for (client, history) in histories.enumerated() {
                let own = found.filter { $0.key.tenant == Self.tenant(client) }
                guard history.allows(own, answered: crash.progress[client]) else {
                    return "client \(client) lost something of \(crash.progress[client]) changes"
                }
            }
        } catch {
            return "it cannot be read: \(error)"
        }
        return nil
    }

    @Test("whatever the disk loses of what was not synced, no change that was answered is lost")
    func nothingIsLost() async throws {
        let seed = testSeed("PowerLoss")
        var random = SeededGenerator(seed: seed)
        var (opened, changes, lost) = (0, 0, 0)
        for number in 0..<((Self.states + Self.statesOfRun - 1) / Self.statesOfRun) {
            let run = try await run(seed: seed &+ UInt64(number) &* 1_000)
            try #require(!run.crashes.isEmpty)
            changes += Self.clients * Self.callsOfClient
            for state in 0..<Self.statesOfRun {
                let crash = run.crashes[Int.random(in: 0..<run.crashes.count, using: &random)]
                let loss = DiskImage.Loss.allCases[state % DiskImage.Loss.allCases.count]
                let fault = try await fault(crash, loss, run.histories, &random)
                #expect(fault == nil, "seed \(seed), run \(number), after \(crash.progress), losing \(loss)")
                opened += 1
                lost += fault == nil ? 0 : 1
            }
        }
        print("loss of power: \(changes) calls, \(opened) crash states opened, \(lost) of them wrong")
    }

    @Test("a disk that does not do what a sync asks for loses changes: the check can fail")
    func theCheckCanFail() async throws {
        let seed = testSeed("PowerLoss.theCheckCanFail")
        var random = SeededGenerator(seed: seed)
        let run = try await run(seed: seed, ignoringSyncs: true)
        var faults = 0
        for loss in DiskImage.Loss.allCases where loss != .none {
            for crash in run.crashes.suffix(5) {
                faults += try await fault(crash, loss, run.histories, &random) == nil ? 0 : 1
            }
        }
        #expect(faults > 10)
    }
}
