import Checkpoints
import JSON
import TestSupport
import Testing

/// What is done with whole threads, and what depends on who was there first.
@Suite("Threads", .timeLimit(.minutes(5)))
struct ThreadsConformance {
    @Test("of those who expect the same head one stores, and the others learn who", arguments: Backend.allCases)
    func race(_ backend: Backend) async throws {
        try await backend.withStore { store in
            var head: Identifier?
            for round in 0..<10 {
                let expected = head
                let outcomes = try await withThrowingTaskGroup(of: (Identifier, PutOutcome).self) { group in
                    for client in 0..<8 {
                        group.addTask {
                            let id = Identifier("c\(100 + round)-\(client)")
                            let outcome = try await store.put(
                                .sample(.sample(id), parent: expected), blobs: [.sample("a", id)],
                                expecting: .head(expected))
                            return (id, outcome)
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                let winners = outcomes.filter { $0.1 == .stored }.map(\.0)
                #expect(winners.count == 1)
                for (_, outcome) in outcomes where outcome != .stored {
                    #expect(outcome == .refused(head: winners.first))
                }
                head = winners.first
            }
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))).count == 10)
            #expect(try await store.summary(of: ThreadKey("t1"))?.counts.blobs == 10, "a loser leaves no blob")
        }
    }

    @Test("a put that comes again is answered as the first time, another of its id is not", arguments: Backend.allCases)
    func repeated(_ backend: Backend) async throws {
        try await backend.withStore { store async throws in
            for _ in 0..<2 {
                #expect(try await store.put(.sample(), blobs: [], expecting: .head(nil)) == .stored)
            }
            let other = Checkpoint.sample(document: #"{"other":1}"#)
            #expect(try await store.put(other, blobs: [], expecting: .head(nil)) == .refused(head: "c1"))
            #expect(try await store.put(other, blobs: [], expecting: .head("c1")) == .stored)
            let elsewhere = Checkpoint.sample(.sample(namespace: "sub"))
            #expect(try await store.put(elsewhere, blobs: [], expecting: .head("c1")) == .refused(head: nil))
        }
    }

    @Test("a copy has every row under the same ids, and is a thread of its own", arguments: Backend.allCases)
    func copy(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let (source, target) = (
                ThreadKey("t1", tenant: Tenant(name: "x")), ThreadKey("copy", tenant: Tenant(name: "x"))
            )
            for number in 1...12 {
                let text = (0..<number * 60).map { "message \($0) of the thread; " }.joined()
                let version = Identifier("0000\(number).5")
                let document = #"{"channel_versions":{"a":"\#(version)"}}"#
                let key = CheckpointKey.sample(
                    Identifier("c\(number)"), thread: source, namespace: number > 9 ? "s" : "")
                try await store.put(
                    .sample(key, parent: "p", document: JSONText(trusted: Array(document.utf8))),
                    blobs: [.sample("a", version, Array(text.utf8)), .sample("none", version, type: "empty", nil)]
                )
                try await store.putWrites(
                    [.sample("t", -1), .sample("t", 2, path: "p")], for: key, onConflict: .keepFirst)
            }
            let orphan = CheckpointKey.sample("orphan", thread: source)
            try await store.putWrites([.sample()], for: orphan, onConflict: .keepFirst)
            let rows = try await store.allRows(of: source)
            #expect(try await store.copyThread(source, to: target.id) == .done)
            #expect(try await store.allRows(of: target) == rows.map { $0.moved(to: target) })
            #expect(try await store.copyThread(source, to: target.id) == .done)
            #expect(try await store.copyThread(source, to: source.id) == .done)
            #expect(try await store.copyThread(ThreadKey("none"), to: "also none") == .done)
            #expect(try await store.summary(of: ThreadKey("copy")) == nil, "another tenant's")
            let writesOnly = CheckpointKey.sample(thread: ThreadKey("writes", tenant: Tenant(name: "x")))
            try await store.putWrites([.sample()], for: writesOnly, onConflict: .keepFirst)
            #expect(try await store.copyThread(writesOnly.thread, to: target.id) == .targetExists)
            #expect(try await store.copyThread(writesOnly.thread, to: "more") == .done)
            try await store.put(.sample(.sample("c99", thread: source)), blobs: [])
            #expect(try await store.copyThread(source, to: target.id) == .targetExists)
            try await store.deleteThread(source)
            #expect(try await store.allRows(of: target) == rows.map { $0.moved(to: target) })
            try await store.put(.sample(.sample("c99", thread: target)), blobs: [.sample("a", "7")])
        }
    }

    @Test("threads are listed in one order, a page after the other, each tenant's own", arguments: Backend.allCases)
    func pages(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let tenants = [Tenant.default, Tenant(name: "a"), Tenant(name: "b")]
            for tenant in tenants {
                for id in ["t1", "é", "11111111-2222-3333-4444-555555555555", "Z", "1"] as [Identifier] {
                    try await store.put(.sample(.sample(thread: ThreadKey(id, tenant: tenant))), blobs: [])
                }
                let orphan = CheckpointKey.sample(thread: ThreadKey("only writes", tenant: tenant))
                try await store.putWrites([.sample()], for: orphan, onConflict: .keepFirst)
            }
            for tenant in tenants {
                let all = try await store.threads(of: tenant, after: nil, limit: 100).map(\.thread)
                #expect(all.count == 6 && all.allSatisfy { $0.tenant == tenant })
                if backend != .adopted { #expect(all == all.sorted()) }
                var paged: [ThreadKey] = []
                while true {
                    let page = try await store.threads(of: tenant, after: paged.last?.id, limit: 2)
                    paged += page.map(\.thread)
                    if page.count < 2 { break }
                }
                #expect(paged == all)
            }
        }
    }

    @Test("a summary counts what there is and says when it was", arguments: Backend.allCases)
    func summary(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let documents: [(Identifier, Identifier, JSONText)] = [
                ("", "c2", #"{"ts":"two"}"#), ("", "c3", #"{"ts":3}"#), ("s", "c1", #"{"ts":"one"}"#),
                ("s", "c4", #"{"ts":"four"}"#),
            ]
            for (namespace, id, document) in documents {
                let key = CheckpointKey.sample(id, namespace: namespace)
                try await store.put(.sample(key, document: document), blobs: [.sample("a", id)])
            }
            try await store.putWrites([.sample("t", 0), .sample("t", 1)], for: .sample("c2"), onConflict: .keepFirst)
            let found = try #require(try await store.summary(of: ThreadKey("t1")))
            #expect(found.created == "one" && found.updated == "four")
            #expect(found.namespaces.map(\.namespace) == ["", "s"])
            #expect(found.namespaces[0].first == .init(id: "c2", time: "two"))
            #expect(found.namespaces[0].head == .init(id: "c3", time: nil))
            #expect(found.counts.checkpoints == 4 && found.counts.blobs == 4 && found.counts.writes == 2)
            #expect(found.counts.bytes > 0)
            #expect(try await store.summary(of: ThreadKey("t2")) == nil)
        }
    }

    @Test(
        "a time with what PostgreSQL cannot hold is null in every store",
        arguments: Backend.allCases, [#"\u0000"#, #"1\ud800"#, #"\udfff\ud800"#, #"\ufffd"#, "\u{FFFD}"])
    func oddTime(_ backend: Backend, _ time: String) async throws {
        try await backend.withStore { store in
            let document = try JSONText(parsing: Array("{\"ts\":\"\(time)\"}".utf8))
            try await store.put(.sample(.sample("c1"), document: document), blobs: [])
            let found = try #require(try await store.summary(of: ThreadKey("t1")))
            #expect(found.namespaces[0].head == .init(id: "c1", time: nil))
            let overview = try #require(try await store.overviews(after: nil, limit: 1, areTimed: false).first)
            #expect(overview.head == .init(id: "c1", time: nil))
            try await store.put(.sample(.sample("c2"), document: #"{"ts":"\ud83d\udc34"}"#), blobs: [])
            #expect(try await store.summary(of: ThreadKey("t1"))?.updated == "🐴")
        }
    }

    @Test("a page of tuples ends when its parts are many bytes, and goes on from there", arguments: Backend.allCases)
    func largePages(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let half = CheckpointQuery.pagePartBytes / 2 + 1
            for number in 1...5 {
                let document = #"{"channel_versions":{"a":"\#(number)"}}"#
                let blob = ChannelBlob.sample(
                    "a", Identifier("\(number)"), [UInt8](repeating: UInt8(number), count: half))
                let key = CheckpointKey.sample(Identifier("c\(number)"))
                try await store.put(.sample(key, document: JSONText(trusted: Array(document.utf8))), blobs: [blob])
            }
            var sizes: [Int] = []
            var after: ListPlace?
            repeat {
                let query = CheckpointQuery(scope: .thread(ThreadKey("t1")), after: after, parts: [.blobs])
                let page = try await store.list(query)
                #expect(page.tuples.allSatisfy { $0.blobs.first?.bytes?.count == half })
                sizes.append(page.tuples.count)
                after = page.next
            } while after != nil
            #expect(sizes == [2, 2, 1])
        }
    }
}

extension ThreadRow {
    fileprivate func moved(to thread: ThreadKey) -> ThreadRow {
        guard case .checkpoint(let checkpoint) = self else { return self }
        let key = CheckpointKey(thread: thread, namespace: checkpoint.key.namespace, id: checkpoint.key.id)
        return .checkpoint(
            Checkpoint(
                key: key, parentID: checkpoint.parentID, document: checkpoint.document, metadata: checkpoint.metadata)
        )
    }
}
