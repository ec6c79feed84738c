import Checkpoints
import JSON
import TestSupport
import Testing

// Threads as they move between stores.
extension Conformance {
    private static let uuid: Identifier = "1ef4f797-8335-6428-8001-8a1503f9b875"

    /// Ids that lie in another order than that of their texts, or nearly do.
    private static let awkwardIDs: [Identifier] = [
        "", "a", "z", "~", "-", "1", "1e", "1ef4f797", "1ef4f797-", "1ef4f797-8335-6428-8001-8a1503f9b87", uuid,
        "1ef4f797-8335-6428-8001-8a1503f9b876", "1ef4f797-8335-6428-8001-8a1503f9b8750",
        "1EF4F797-8335-6428-8001-8A1503F9B875",
        "1ef4f79788335-6428-8001-8a1503f9b875", "1ef4g797-8335-6428-8001-8a1503f9b875",
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff", "fffffffff", "g", "\u{e9}", "e\u{301}", "a\u{1}b", "\u{10FFFF}",
    ]

    @Test("threads are listed in one order, at any page size", arguments: Backend.allCases)
    func threadOrder(_ backend: Backend) async throws {
        let tenants = ["", "acme", "Acme", "z"].map { Tenant(name: $0) }
        let keys = tenants.flatMap { tenant in Self.awkwardIDs.map { ThreadKey($0, tenant: tenant) } }.sorted()
        try await backend.withStore { store in
            #expect(try await store.threads(after: nil, limit: 10) == [])
            for (number, key) in keys.enumerated() {
                if number.isMultiple(of: 3) {
                    // Writes whose checkpoint never came.
                    try await store.putWrites([.sample()], for: .sample(thread: key), onConflict: .keepFirst)
                } else {
                    try await store.put(.sample(.sample(thread: key)), blobs: [])
                }
            }
            let listed = try await store.allThreads(pageThreads: 1_000)
            #expect(listed.sorted() == keys)
            for pageThreads in [1, 2, 7] {
                #expect(try await store.allThreads(pageThreads: pageThreads) == listed)
            }
            for (number, key) in listed.enumerated() {
                #expect(try await store.threads(after: key, limit: 1) == Array(listed[(number + 1)...].prefix(1)))
            }
        }
    }

    @Test("rows come in the order that is documented, and only those of the thread", arguments: Backend.allCases)
    func rowOrder(_ backend: Backend) async throws {
        let thread = ThreadKey(Self.uuid)
        let versions: [Identifier] = [
            "00000000000000000000000000000002.0.5", "00000000000000000000000000000010.0.1", "0000000010.5",
            "00000000105",
            "10", "9", "x",
        ]
        var blobs: [ThreadRow] = []
        for namespace in ["", "n"] as [Identifier] {
            for channel in ["a", "b"] as [Identifier] {
                blobs += versions.map { .blob(namespace: namespace, .sample(channel, $0)) }
            }
        }
        // In this order: the UUID's digit is before the letters.
        let tasks: [(Identifier, Int32)] = [(Self.uuid, 0), ("t", .min), ("t", -1), ("t", 2), ("t", 10)]
        let places: [(Identifier, Identifier)] = [("", Self.uuid), ("", "c1"), ("n", "c1")]
        var writes: [ThreadRow] = []
        for (namespace, id) in places {
            for (task, index) in tasks {
                writes.append(.write(namespace: namespace, checkpointID: id, .sample(task, index, path: "~")))
            }
        }
        let checkpoints = places.dropLast().map { namespace, id in
            ThreadRow.checkpoint(.sample(.sample(id, thread: thread, namespace: namespace), parent: "p"))
        }
        let rows = blobs + writes + checkpoints
        try await backend.withStore { store in
            try await store.add(rows.shuffled(), to: thread)
            try await store.add(
                [.blob(namespace: "", .sample("a"))], to: ThreadKey(Self.uuid, tenant: Tenant(name: "x")))
            try await store.add([.blob(namespace: "", .sample("a"))], to: ThreadKey("other"))
            #expect(try await store.allRows(of: thread) == rows)
            #expect(try await store.allRows(of: ThreadKey("nobody")) == [])
        }
    }

    @Test("what a thread's rows are added to answers as the store they came from", arguments: Backend.allCases)
    func moved(_ backend: Backend) async throws {
        let thread = ThreadKey("t1")
        let versions = (1...60).map { Identifier("000000000000000000000000000000\($0 < 10 ? "0" : "")\($0).0.7") }
        try await backend.withStore { store in
            for (step, version) in versions.enumerated() {
                let text = (0...step).map { "message \($0) of this thread, which grows; " }.joined()
                let key = CheckpointKey.sample(Identifier("c\(100 + step)"))
                let document = "{\"channel_versions\":{\"messages\":\"\(version)\"}, \"step\" : \(step)}"
                let checkpoint = Checkpoint.sample(key, document: JSONText(trusted: Array(document.utf8)))
                try await store.put(checkpoint, blobs: [.sample("messages", version, Array(text.utf8))])
                try await store.putWrites([.sample("t", 0), .sample("t", -3)], for: key, onConflict: .replace)
            }
            try await store.put(.sample(), blobs: [.sample("none", type: "empty", nil), .sample("empty", "1", [])])
            let rows = try await store.allRows(of: thread)
            #expect(rows.count == 60 * 4 + 3)
            for target in Backend.allCases {
                try await target.withStore { target in
                    // In two transactions, the first of which comes twice.
                    try await target.add(Array(rows.prefix(100)), to: thread)
                    try await target.add(rows, to: thread)
                    #expect(try await target.contents() == [thread: rows])
                    for id in ["c100", "c159", "c1"] as [Identifier] {
                        let expected = try await store.tuple(in: thread, namespace: "", id: id)
                        #expect(try await target.tuple(in: thread, namespace: "", id: id) == expected)
                    }
                    try await target.deleteThread(thread)
                    #expect(try await target.contents() == [:])
                }
            }
        }
    }

    @Test(
        "of blobs and writes the first stay, a checkpoint is replaced but for its parent", arguments: Backend.allCases)
    func addedAgain(_ backend: Backend) async throws {
        let thread = ThreadKey("t1")
        let first: [ThreadRow] = [
            .blob(namespace: "", .sample("a", "1", [1])),
            .write(namespace: "", checkpointID: "c1", .sample("t", 0, [1], path: "p1")),
            .checkpoint(.sample(parent: "p1", document: #"{"gen":1}"#)),
        ]
        let second: [ThreadRow] = [
            .blob(namespace: "", .sample("a", "1", [2])),
            .write(namespace: "", checkpointID: "c1", .sample("t", 0, [2], path: "p2")),
            .checkpoint(.sample(parent: "p2", document: #"{"gen":2}"#)),
        ]
        try await backend.withStore { store in
            try await store.add([], to: thread)
            #expect(try await store.allThreads() == [])
            try await store.add(first, to: thread)
            try await store.add(second, to: thread)
            let expected = first.dropLast() + [.checkpoint(.sample(parent: "p1", document: #"{"gen":2}"#))]
            #expect(try await store.allRows(of: thread) == Array(expected))
        }
    }

    @Test("what the reader of rows throws ends the reading and comes back", arguments: Backend.allCases)
    func readingEnds(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [.sample("a"), .sample("b"), .sample("c")])
            let seen = Collected<ThreadRow>()
            let error = await #expect(throws: StoreError.self) {
                try await store.rows(of: ThreadKey("t1")) { row throws(StoreError) in
                    seen.append(row)
                    if seen.values.count == 2 { throw StoreError(.unexpected, during: "stop") }
                }
            }
            #expect(error?.operation == "stop" && seen.values.count == 2)
            #expect(try await store.allRows(of: ThreadKey("t1")).count == 4)
        }
    }
}
