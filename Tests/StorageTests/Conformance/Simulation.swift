import Checkpoints
import Encryption
import Foundation
import JSON
import TestSupport
import Testing

/// How many calls are made for each store, and in one sequence.
enum SimulationLength {
    static let steps =
        ProcessInfo.processInfo.environment["MILEPOST_SIMULATION_STEPS"].flatMap { Int($0) } ?? sequence
    static let sequence = 3_000
}

/// Random calls on a store and on `MemoryStore`, or on two stores, which must answer alike after each.
///
/// `MILEPOST_SIMULATION_STEPS=100000` makes so many calls for SQLite, and a quarter of them for PostgreSQL, in sequences of
/// 3,000 on new stores; the seed of the sequence that failed is shown with the shortest one that still fails.
@Suite("Simulation", .timeLimit(.minutes(5 + SimulationLength.steps / 1_000)))
struct Simulation {
    private static func sequence(_ seed: UInt64, _ count: Int, isSealable: Bool) -> [SimulatedCall] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            // Both are open all the time, but for a moment now and then.
            if Int.random(in: 0..<500, using: &random) == 0 { return .reopen }
            return SimulatedCall.random(&random, SimulatedCall.Scope(isSealable: isSealable))
        }
    }

    private func run(_ simulator: Simulator, _ name: String, steps: Int, isSealable: Bool) async throws {
        var seed = testSeed(name)
        var left = steps
        var sequences = 0
        while left > 0 {
            let calls = Self.sequence(seed, min(left, SimulationLength.sequence), isSealable: isSealable)
            if let difference = try await simulator.difference(calls) {
                print("\(name), MILEPOST_SEED=\(seed): \(difference)")
                print("\(name): looking for the fewest calls that do this; it takes minutes")
                Issue.record("\(try await simulator.report(calls, difference, seed: seed))")
                return
            }
            left -= calls.count
            sequences += 1
            seed &+= 1
        }
        print(
            "\(name): \(simulator.subject) beside \(simulator.reference): \(steps) calls, \(sequences) sequences, 0 differences"
        )
    }

    @Test("random calls, one after the other, answer as the memory store does", arguments: Backend.durable)
    func sequential(_ backend: Backend) async throws {
        let simulator = Simulator(subject: backend, reference: .memory)
        // A call to PostgreSQL takes many times as long.
        let isSQLite = [.sqlite, .encryptedSQLite].contains(backend)
        let steps = isSQLite ? SimulationLength.steps : SimulationLength.steps / 4
        try await run(simulator, "Simulation.sequential", steps: steps, isSealable: !backend.isEncrypted)
    }

    @Test(
        "SQLite answers random calls as PostgreSQL does",
        arguments: [
            Simulator(subject: .sqlite, reference: .postgres),
            Simulator(subject: .encryptedSQLite, reference: .adopted),
        ])
    func differential(_ simulator: Simulator) async throws {
        let isSealable = !simulator.subject.isEncrypted
        try await run(simulator, "Simulation.differential", steps: SimulationLength.steps / 4, isSealable: isSealable)
    }

    /// Each client is a tenant of its own, so that the order among clients does not matter, and all share the writer's
    /// transactions.
    @Test("random calls of many clients at once answer as the memory store does", arguments: Backend.durable)
    func concurrent(_ backend: Backend) async throws {
        let seed = testSeed("Simulation.concurrent")
        try await backend.withStore { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<8 {
                    group.addTask {
                        var random = SeededGenerator(seed: seed &+ UInt64(client))
                        let scope = SimulatedCall.Scope(
                            tenant: Tenant(name: Identifier("client\(client)")), isWhole: false, isSwept: false)
                        let oracle = MemoryStore()
                        for step in 0..<400 {
                            let call = SimulatedCall.random(&random, scope)
                            let found = try await call.answer(on: store)
                            let expected = try await call.answer(on: oracle)
                            #expect(found == expected, "client \(client), step \(step): \(call)")
                            guard found == expected else { return }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("random calls go on as before while keys come, change and go", arguments: [Backend.sqlite, .postgres])
    func rekeyed(_ backend: Backend) async throws {
        if backend.isPostgres { await PostgresServer.turns.take() }
        let result: Result<Void, any Error>
        do {
            result = .success(try await rekeyedInTurn(backend))
        } catch {
            result = .failure(error)
        }
        if backend.isPostgres { await PostgresServer.turns.giveBack() }
        try result.get()
    }

    private func rekeyedInTurn(_ backend: Backend) async throws {
        var random = SeededGenerator(seed: testSeed("Simulation.rekeyed"))
        let directory = try TemporaryDirectory()
        let opened = try backend.open(in: directory)
        let base = try #require(opened as? any SealableStore)
        let oracle = MemoryStore()
        let (old, both, new) = (
            try EncryptionKeys.sample("old"), try EncryptionKeys.sample("new", "old"), try EncryptionKeys.sample("new")
        )
        let times: [(keys: EncryptionKeys, goal: Rekeying.Goal, after: EncryptionKeys?)] = [
            (old, .seal, old), (both, .seal, both), (both, .seal, new), (new, .open, nil), (new, .seal, new),
        ]
        for (number, time) in times.enumerated() {
            let rekeyed = try await Rekeying(base, keys: time.keys, time.goal).run()
            #expect(rekeyed.failed.isEmpty)
            let store: any Backend.Store = time.after.map { Self.encrypted(base, $0) } ?? base
            for step in 0..<300 {
                // Without followers: over PostgreSQL they may meet a change of just before too (`ThreadFollowing.follow`).
                let call = SimulatedCall.random(&random, SimulatedCall.Scope(isWhole: false))
                let found = try await call.answer(on: store)
                let expected = try await call.answer(on: oracle)
                #expect(found == expected, "time \(number), step \(step): \(call)")
                guard found == expected else { return await base.close() }
            }
            #expect(try await store.contents() == oracle.contents())
        }
        await base.close()
    }

    private static func encrypted(_ base: some SealableStore, _ keys: EncryptionKeys) -> any Backend.Store {
        EncryptedStore(base, keys: keys)
    }
}

extension Backend {
    var isEncrypted: Bool { [.encryptedMemory, .encryptedSQLite, .encryptedPostgres].contains(self) }
}

extension Simulator: CustomTestStringConvertible {
    var testDescription: String { "\(subject) beside \(reference)" }
}
