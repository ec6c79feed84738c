import Checkpoints
import JSON
import TestSupport
import Testing

/// Random operations on a store and on `MemoryStore`, which must answer alike after each.
@Suite("Simulation", .timeLimit(.minutes(5)))
struct Simulation {
    @Test("random calls, one after the other, answer as the memory store does", arguments: Backend.durable)
    func sequential(_ backend: Backend) async throws {
        var random = SeededGenerator(seed: testSeed("Simulation.sequential"))
        try await backend.withStore { store in
            let oracle = MemoryStore()
            for step in 0..<3_000 {
                let call = SimulatedCall.random(&random)
                let found = try await call.run(on: store)
                let expected = try await call.run(on: oracle)
                #expect(found == expected, "step \(step): \(call)")
                guard found == expected else { return }
            }
        }
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
                        let oracle = MemoryStore()
                        for step in 0..<400 {
                            let call = SimulatedCall.random(
                                &random, tenant: Tenant(name: Identifier("client\(client)")))
                            let found = try await call.run(on: store)
                            let expected = try await call.run(on: oracle)
                            #expect(found == expected, "client \(client), step \(step): \(call)")
                            guard found == expected else { return }
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("what random calls left is there after the store is opened again", arguments: Backend.durable)
    func reopened(_ backend: Backend) async throws {
        var random = SeededGenerator(seed: testSeed("Simulation.reopened"))
        let directory = try TemporaryDirectory()
        let oracle = MemoryStore()
        for _ in 0..<4 {
            let store = try backend.open(in: directory)
            for _ in 0..<200 {
                let call = SimulatedCall.random(&random)
                let found = try await call.run(on: store)
                let expected = try await call.run(on: oracle)
                #expect(found == expected, "\(call)")
            }
            await store.close()
        }
    }
}
