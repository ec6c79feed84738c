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
                let call = Call.random(&random)
                let found = try await call.run(on: store)
                let expected = try await call.run(on: oracle)
                #expect(found == expected, "step \(step): \(call)")
                guard found == expected else { return }
            }
        }
    }

    /// Each client has threads of its own, so that the order among clients does not matter, and all share the writer's
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
                            let call = Call.random(&random, threadPrefix: "client\(client)-")
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
                let call = Call.random(&random)
                let found = try await call.run(on: store)
                let expected = try await call.run(on: oracle)
                #expect(found == expected, "\(call)")
            }
            await store.close()
        }
    }
}

/// One call with its arguments, from pools small enough that calls meet.
private enum Call: Sendable {
    case put(Checkpoint, [ChannelBlob])
    case putWrites([PendingWrite], CheckpointKey, WriteConflictPolicy)
    case tuple(ThreadKey, Identifier, Identifier?)
    case list(CheckpointQuery)
    case rows(ThreadKey)
    case deleteThread(ThreadKey)

    enum Answer: Equatable {
        case done
        case tuple(CheckpointTuple?)
        case list([Checkpoint])
        case rows([ThreadRow])
    }

    func run(on store: some CheckpointStore & ThreadSource) async throws -> Answer {
        switch self {
        case .put(let checkpoint, let blobs):
            try await store.put(checkpoint, blobs: blobs)
            return .done
        case .putWrites(let writes, let key, let policy):
            try await store.putWrites(writes, for: key, onConflict: policy)
            return .done
        case .tuple(let thread, let namespace, let id):
            return .tuple(try await store.tuple(in: thread, namespace: namespace, id: id))
        case .list(let query):
            return .list(try await store.list(query))
        case .rows(let thread):
            return .rows(try await store.allRows(of: thread))
        case .deleteThread(let thread):
            try await store.deleteThread(thread)
            return .done
        }
    }

    static func random(_ random: inout SeededGenerator, threadPrefix: String = "") -> Call {
        let thread = ThreadKey(Identifier(threadPrefix + pick(["t1", "t2", "t\u{e9}"], &random)))
        let namespace = pick(["", "a", "a|b"] as [Identifier], &random)
        let id = pick(["c1", "c2", "C3", "c\u{e9}", "ce\u{301}", ""] as [Identifier], &random)
        let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
        switch Int.random(in: 0..<100, using: &random) {
        case ..<30:
            return .put(
                checkpoint(key, &random), (0..<Int.random(in: 0..<4, using: &random)).map { _ in blob(&random) })
        case ..<55:
            let writes = (0..<Int.random(in: 0..<4, using: &random)).map { _ in write(&random) }
            return .putWrites(writes, key, Bool.random(using: &random) ? .keepFirst : .replace)
        case ..<80: return .tuple(thread, namespace, Bool.random(using: &random) ? nil : id)
        case ..<92: return .list(query(thread, &random))
        case ..<97: return .rows(thread)
        default: return .deleteThread(thread)
        }
    }

    private static func checkpoint(_ key: CheckpointKey, _ random: inout SeededGenerator) -> Checkpoint {
        let versions = ["a", "b", "c"].map { channel in
            "\"\(channel)\":\(pick(["\"1\"", "\"2\"", "\"3\"", "\"4\"", "1", "2.0", "\"5\""], &random))"
        }
        let document = "{\"id\":\"x\",\"channel_versions\":{\(versions.joined(separator: ","))}}"
        let metadata =
            "{\"step\":\(Int.random(in: 0..<4, using: &random)),\"tags\":[\(pick(["1", "\"x\"", ""], &random))]}"
        return Checkpoint(
            key: key,
            parentID: pick([nil, "c1", ""], &random),
            document: JSONText(trusted: Array(document.utf8)),
            metadata: JSONText(trusted: Array(metadata.utf8))
        )
    }

    private static func blob(_ random: inout SeededGenerator) -> ChannelBlob {
        ChannelBlob(
            channel: pick(["a", "b", "c"], &random),
            version: pick(["1", "2", "2.0", "3", "4", "5"], &random),
            type: pick(["msgpack", "null", ""], &random),
            bytes: pick([nil, [], bytes(&random), growing(&random), growing(&random), growing(&random)], &random)
        )
    }

    private static func write(_ random: inout SeededGenerator) -> PendingWrite {
        PendingWrite(
            taskID: pick(["t1", "t2", "T"], &random),
            index: pick([-1, 0, 1, 10, .max, .min], &random),
            channel: pick(["a", "b"], &random),
            type: pick([nil, "msgpack", ""], &random),
            bytes: bytes(&random),
            taskPath: pick(["", "~p", "p"], &random)
        )
    }

    private static func query(_ thread: ThreadKey, _ random: inout SeededGenerator) -> CheckpointQuery {
        CheckpointQuery(
            thread: thread,
            namespace: pick([nil, nil, "", "a"], &random),
            before: pick([nil, nil, "c2", "", "\u{10FFFF}"], &random),
            metadataFilter: pick([nil, nil, ["step": 1], ["tags": ["x"]], [:]] as [JSONValue?], &random),
            limit: pick([1, 2, 100, 1_000], &random)
        )
    }

    /// Values that have much in common, as the versions of a channel do.
    private static func growing(_ random: inout SeededGenerator) -> [UInt8] {
        var text = Array("start".utf8)
        for turn in 0..<Int.random(in: 1...200, using: &random) {
            text += Array("message number \(turn) of this thread; ".utf8)
        }
        return text
    }

    private static func bytes(_ random: inout SeededGenerator) -> [UInt8] {
        let count = pick([0, 1, 10, 5_000], &random)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static func pick<Value>(_ values: [Value], _ random: inout SeededGenerator) -> Value {
        values[Int.random(in: 0..<values.count, using: &random)]
    }
}
