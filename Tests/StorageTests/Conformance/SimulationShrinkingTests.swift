import Checkpoints
import Synchronization
import TestSupport
import Testing

/// The simulation itself: it sees a store that is wrong, and shows little; its calls reach what they are for.
@Suite("The simulation", .timeLimit(.minutes(5)))
struct SimulationShrinkingTests {
    /// By a seed of its own: how few calls are found depends on those that it begins with.
    private func shrunk(
        _ name: String, _ asking: @escaping @Sendable () -> Simulator.Ask
    ) async throws -> [SimulatedCall] {
        var random = SeededGenerator(seed: 3)
        let simulator = Simulator(subject: .memory, reference: .memory, asking: asking)
        var calls: [SimulatedCall] = []
        var found: Simulator.Difference?
        // Not every sequence comes to what the store does wrong.
        for _ in 0..<10 where found == nil {
            calls = (0..<3_000).map { _ in SimulatedCall.random(&random) }
            found = try await simulator.difference(calls)
        }
        let shortest = try await simulator.shrunk(calls, from: #require(found, "the defect is not seen"))
        #expect(try await simulator.difference(shortest) != nil)
        print("\(name): \(calls.count) calls shrank to \(shortest.count)")
        return shortest
    }

    @Test("a store that forgets a write that replaces another is seen in a few calls")
    func forgetful() async throws {
        let calls = try await shrunk("Simulation.forgetful") {
            let written = Mutex<Set<CheckpointKey>>([])
            return { call, store in
                guard case .putWrites(let groups, let key) = call else { return try await call.answer(on: store) }
                let isAgain = written.withLock { !$0.insert(key).inserted }
                let kept = isAgain ? groups.filter { $0.policy == .keepFirst } : groups
                return try await SimulatedCall.putWrites(kept, key).answer(on: store)
            }
        }
        // Writes, writes again, and what the store then has.
        #expect(calls.count <= 3, "\(calls)")
        let writes = calls.reduce(0) { count, call in
            guard case .putWrites(let groups, _) = call else { return count }
            return count + groups.reduce(0) { $0 + $1.writes.count }
        }
        #expect(writes <= 2, "\(calls)")
    }

    @Test("a store whose order is wrong once something was deleted is seen in a few calls")
    func unordered() async throws {
        let calls = try await shrunk("Simulation.unordered") {
            let isDeleted = Mutex(false)
            return { call, store in
                if case .deleteThread = call { isDeleted.withLock { $0 = true } }
                let answer = try await call.answer(on: store)
                guard case .list(let page) = answer, isDeleted.withLock({ $0 }) else { return answer }
                return .list(CheckpointPage(tuples: page.tuples.reversed(), next: page.next))
            }
        }
        // A deletion, two checkpoints, and the list of them.
        #expect(calls.count <= 4, "\(calls)")
    }

    @Test("a store that loses its seventh checkpoint is seen in a few calls")
    func lossy() async throws {
        let calls = try await shrunk("Simulation.lossy") {
            let puts = Mutex(0)
            return { call, store in
                if case .put = call, puts.withLock({ count in (count += 1, count == 7).1 }) { return .put(.stored) }
                return try await call.answer(on: store)
            }
        }
        // Six puts, the one that is lost, and what the store then has, if only at the end.
        #expect(calls.count <= 8, "\(calls)")
    }

    /// By a seed of its own: what is counted is always the same.
    @Test("random calls are of every kind, and reach what is rare")
    func reaches() async throws {
        var random = SeededGenerator(seed: 9)
        let store = MemoryStore()
        var calls: [String: Int] = [:]
        var answers: [String: Int] = [:]
        for _ in 0..<6_000 {
            let call = SimulatedCall.random(&random, SimulatedCall.Scope(isSealable: true))
            calls[String("\(call)".prefix { $0 != "(" }), default: 0] += 1
            for name in try await call.answer(on: store).rare { answers[name, default: 0] += 1 }
        }
        print("Simulation.reaches: \(answers.sorted { $0.key < $1.key })")
        #expect(calls.count == 27 && calls.values.allSatisfy { $0 >= 3 }, "\(calls)")
        let rare: Set = [
            "held", "stopped", "refused", "exists", "no thread", "no checkpoint", "more", "history", "pruned", "swept",
            "deleted", "told",
        ]
        #expect(Set(answers.keys) == rare && answers.values.allSatisfy { $0 >= 2 }, "\(answers)")
    }
}

extension SimulatedAnswer {
    /// What it shows that few calls come to.
    fileprivate var rare: [String] {
        switch self {
        case .failed(.held): ["held"]
        case .failed(.tooLarge): ["stopped"]
        case .failed(let kind): ["\(kind)"]
        case .put(.refused): ["refused"]
        case .copy(.targetExists): ["exists"]
        case .set(.noThread): ["no thread"]
        case .set(.noCheckpoint): ["no checkpoint"]
        case .list(let page) where page.next != nil: ["more"]
        case .history(let channels) where channels.contains { $0.seed != nil && !$0.writes.isEmpty }: ["history"]
        case .prune(let report) where report.removed.checkpoints > 0: ["pruned"]
        case .retention(let reports) where reports.last?.outcome == .pruned: ["swept"]
        case .retention(let reports) where reports.last?.outcome == .deleted: ["deleted"]
        case .followed(_, let effects) where effects.count > 1: ["told"]
        default: []
        }
    }
}
