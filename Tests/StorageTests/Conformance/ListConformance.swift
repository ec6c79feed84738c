import Checkpoints
import JSON
import TestSupport
import Testing

extension Conformance {
    /// Ids in ascending order of their bytes, which no collation agrees with.
    private static let ids: [Identifier] = [
        "", "-", "1", "10", "1ef-1", "1ef1", "2", "A", "B", "_", "a", "a b", "a-b", "ab", "b", "e\u{301}", "z",
        "\u{e9}", "ａ",
        "😀",
    ]

    @Test("ids are ordered by their bytes and never normalised", arguments: Backend.allCases)
    func idOrder(_ backend: Backend) async throws {
        try await backend.withStore { store in
            for id in Self.ids.shuffled() {
                try await store.put(.sample(.sample(id)), blobs: [])
            }
            let listed = try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))).map(\.key.id)
            #expect(listed == Self.ids.reversed())
            let latest = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)
            #expect(latest?.checkpoint.key.id == "😀")
            for (place, id) in Self.ids.enumerated() {
                let before = try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"), before: id))
                #expect(before.count == place)
            }
        }
    }

    @Test("thread ids that only look alike are two threads", arguments: Backend.allCases)
    func canonicallyEquivalentThreads(_ backend: Backend) async throws {
        let threads = [ThreadKey("caf\u{e9}"), ThreadKey("cafe\u{301}"), ThreadKey("CAFÉ"), ThreadKey(" café ")]
        try await backend.withStore { store in
            for (number, thread) in threads.enumerated() {
                let document = try JSONText(parsing: Array("{\"n\":\(number)}".utf8))
                try await store.put(.sample(.sample(thread: thread), document: document), blobs: [])
            }
            for (number, thread) in threads.enumerated() {
                let tuple = try await store.tuple(in: thread, namespace: "", id: nil)
                #expect(tuple?.checkpoint.document.bytes == Array("{\"n\":\(number)}".utf8))
            }
        }
    }

    @Test("the latest is of the namespace asked for", arguments: Backend.allCases)
    func latestOfNamespace(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(.sample("c1")), blobs: [])
            try await store.put(.sample(.sample("c9", namespace: "sub")), blobs: [])
            try await store.put(.sample(.sample("c5", namespace: "sub|x")), blobs: [])
            func latest(_ namespace: Identifier) async throws -> Identifier? {
                try await store.tuple(in: ThreadKey("t1"), namespace: namespace, id: nil)?.checkpoint.key.id
            }
            #expect(try await latest("") == "c1")
            #expect(try await latest("sub") == "c9")
            #expect(try await latest("sub|x") == "c5")
            #expect(try await latest("su") == nil)
        }
    }

    @Test("one namespace, or all of them, newest first", arguments: Backend.allCases)
    func namespaces(_ backend: Backend) async throws {
        let keys: [CheckpointKey] = [
            .sample("c1"), .sample("c2", namespace: "a"), .sample("c3"), .sample("c4", namespace: "b"),
            .sample("c1", namespace: "b"), .sample("c1", namespace: "a"),
        ]
        try await backend.withStore { store in
            for key in keys { try await store.put(.sample(key), blobs: []) }
            func list(_ query: CheckpointQuery) async throws -> [String] {
                try await store.checkpoints(query).map { "\($0.key.id)@\($0.key.namespace)" }
            }
            let thread = ThreadKey("t1")
            #expect(
                try await list(CheckpointQuery(thread: thread))
                    == ["c4@b", "c3@", "c2@a", "c1@b", "c1@a", "c1@"]
            )
            #expect(try await list(CheckpointQuery(thread: thread, namespace: "")) == ["c3@", "c1@"])
            #expect(try await list(CheckpointQuery(thread: thread, namespace: "a")) == ["c2@a", "c1@a"])
            #expect(try await list(CheckpointQuery(thread: thread, namespace: "c")) == [])
            #expect(try await list(CheckpointQuery(thread: thread, before: "c3", limit: 2)) == ["c2@a", "c1@b"])
            #expect(try await list(CheckpointQuery(thread: thread, before: "")) == [])
        }
    }

    @Test("the limit counts what the filter let through", arguments: Backend.allCases)
    func filterThenLimit(_ backend: Backend) async throws {
        try await backend.withStore { store in
            for number in 0..<30 {
                let metadata = try JSONText(parsing: Array("{\"step\":\(number),\"even\":\(number % 2 == 0)}".utf8))
                let id = Identifier("c\(number + 100)")
                try await store.put(.sample(.sample(id), metadata: metadata), blobs: [])
            }
            let even = CheckpointQuery(thread: ThreadKey("t1"), metadataFilter: ["even": true], limit: 3)
            #expect(try await store.checkpoints(even).map(\.key.id) == ["c128", "c126", "c124"])
            let one = CheckpointQuery(thread: ThreadKey("t1"), metadataFilter: ["step": 7])
            #expect(try await store.checkpoints(one).map(\.key.id) == ["c107"])
            let none = CheckpointQuery(thread: ThreadKey("t1"), metadataFilter: ["step": "7"])
            #expect(try await store.checkpoints(none) == [])
        }
    }

    @Test("a filter cannot reach beyond its thread, whatever it holds", arguments: Backend.allCases)
    func hostileFilters(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(metadata: #"{"a":1}"#), blobs: [])
            try await store.put(.sample(.sample(thread: ThreadKey("t2")), metadata: #"{"a":2}"#), blobs: [])
            for name in ["a' OR '1'='1", "$.a", "a\"]; DROP TABLE checkpoints; --", "%", "", "a.b", "?1", "\u{0}"] {
                let filter = JSONValue.object([JSONMember(name: JSONString(name), value: 1)])
                let query = CheckpointQuery(thread: ThreadKey("t1"), metadataFilter: filter)
                #expect(try await store.checkpoints(query) == [])
            }
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))).count == 1)
        }
    }

    @Test("pages meet without gap or overlap", arguments: Backend.allCases)
    func pages(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let ids = (0..<57).map { Identifier("c\($0 + 100)") }
            for id in ids.shuffled() { try await store.put(.sample(.sample(id)), blobs: []) }
            var found: [Identifier] = []
            var before: Identifier?
            repeat {
                let query = CheckpointQuery(thread: ThreadKey("t1"), namespace: "", before: before, limit: 10)
                let page = try await store.checkpoints(query).map(\.key.id)
                found += page
                before = page.last
            } while before != nil
            #expect(found == ids.reversed())
        }
    }
}
