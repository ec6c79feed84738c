import Checkpoints
import TestSupport
import Testing

extension Conformance {
    @Test("writes may come before their checkpoint, and are its once it is there", arguments: Backend.allCases)
    func writesFirst(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.putWrites([.sample()], for: .sample(), onConflict: .keepFirst)
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1") == nil)
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))) == [])
            try await store.put(.sample(), blobs: [])
            try await store.put(.sample(document: #"{"again":true}"#), blobs: [])
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            #expect(tuple?.pendingWrites == [.sample()])
        }
    }

    @Test("no writes change nothing", arguments: Backend.allCases)
    func noWrites(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            try await store.putWrites([], for: .sample(), onConflict: .replace)
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.pendingWrites == [])
        }
    }

    @Test("keep first: the first write of a task and index stays", arguments: Backend.allCases)
    func keepFirst(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            let first = PendingWrite.sample("t", 0, channel: "a", type: "x", [1], path: "p1")
            let second = PendingWrite.sample("t", 0, channel: "b", type: nil, [2], path: "p2")
            try await store.putWrites([first, second], for: .sample(), onConflict: .keepFirst)
            try await store.putWrites([second], for: .sample(), onConflict: .keepFirst)
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.pendingWrites == [first])
        }
    }

    @Test("replace: channel, type and bytes are the last's, the task path is the first's", arguments: Backend.allCases)
    func replace(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            let first = PendingWrite.sample("t", 0, channel: "a", type: "x", [1], path: "p1")
            let second = PendingWrite.sample("t", 0, channel: "b", type: nil, [2], path: "p2")
            let third = PendingWrite.sample("t", 0, channel: "c", type: "z", [3], path: "p3")
            try await store.putWrites([first], for: .sample(), onConflict: .keepFirst)
            try await store.putWrites([second, third], for: .sample(), onConflict: .replace)
            let expected = PendingWrite.sample("t", 0, channel: "c", type: "z", [3], path: "p1")
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.pendingWrites == [expected])
        }
    }

    @Test("replace within one call keeps the path that came first", arguments: Backend.allCases)
    func replaceWithinCall(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            let writes = [
                PendingWrite.sample("t", 0, channel: "a", [1], path: "p1"),
                .sample("t", 0, channel: "b", [2], path: "p2"),
            ]
            try await store.putWrites(writes, for: .sample(), onConflict: .replace)
            let expected = PendingWrite.sample("t", 0, channel: "b", [2], path: "p1")
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.pendingWrites == [expected])
        }
    }

    @Test("pending writes come by task path, then task, then index", arguments: Backend.allCases)
    func order(_ backend: Backend) async throws {
        let sorted: [PendingWrite] = [
            .sample("z", 0, path: ""),
            .sample("A", -2_147_483_648, path: "p"), .sample("A", -1, path: "p"), .sample("A", 2, path: "p"),
            .sample("A", 10, path: "p"), .sample("A", 2_147_483_647, path: "p"), .sample("B", 0, path: "p"),
            .sample("_", 0, path: "p"), .sample("a", 0, path: "p"), .sample("e\u{301}", 0, path: "p"),
            .sample("\u{e9}", 0, path: "p"), .sample("ａ", 0, path: "p"), .sample("😀", 0, path: "p"),
            .sample("a", 1, path: "p~"), .sample("a", 2, path: "é"),
        ]
        #expect(sorted == sorted.sorted(by: PendingWrite.precedes), "the table is in order by bytes")
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            try await store.putWrites(sorted.reversed(), for: .sample(), onConflict: .keepFirst)
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.pendingWrites == sorted)
        }
    }

    @Test("writes belong to one checkpoint of one namespace of one thread", arguments: Backend.allCases)
    func belonging(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            for key: CheckpointKey in [.sample("c0"), .sample(namespace: "sub"), .sample(thread: ThreadKey("t2"))] {
                try await store.putWrites([.sample()], for: key, onConflict: .keepFirst)
            }
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.pendingWrites == [])
        }
    }

    @Test("many writes in one call, and many calls at once, are all there", arguments: Backend.allCases)
    func concurrent(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for task in 0..<200 {
                    group.addTask {
                        let writes = (0..<10).map { PendingWrite.sample(Identifier("task\(task)"), $0, [UInt8(task)]) }
                        try await store.putWrites(writes, for: .sample(), onConflict: .keepFirst)
                    }
                }
                try await group.waitForAll()
            }
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            #expect(tuple?.pendingWrites.count == 2_000)
            #expect(tuple?.pendingWrites.allSatisfy { $0.bytes == [UInt8($0.taskID.text.dropFirst(4)) ?? 0] } == true)
        }
    }

    @Test("an upsert replaces what looks the same and has other bytes", arguments: Backend.allCases)
    func upsertOfEquivalentText(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            for type in ["\u{E9}", "e\u{301}"] {
                var write = PendingWrite.sample("t", 0, [1])
                write.type = type
                try await store.putWrites([write], for: .sample(), onConflict: .replace)
            }
            let found = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)
            #expect(found?.pendingWrites.first?.type.map { Array($0.utf8) } == Array("e\u{301}".utf8))
        }
    }
}
