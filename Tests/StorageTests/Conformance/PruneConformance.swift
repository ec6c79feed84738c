import Checkpoints
import JSON
import TestSupport
import Testing

/// What may go, and what never: the same on every store.
@Suite("Prune", .timeLimit(.minutes(5)))
struct PruneConformance {
    private static let thread = ThreadKey("t1")
    private static let snapshot: [UInt8] = [0xC7, 3, 7, 0x92, 1, 2]

    private func put(
        _ id: Identifier,
        after parent: Identifier?,
        in store: any Backend.Store,
        namespace: Identifier = "",
        versions: String = "{}",
        metadata: JSONText = #"{"source":"loop"}"#,
        version: Int = 4,
        blobs: [ChannelBlob] = []
    ) async throws {
        let document = #"{"v":\#(version),"channel_versions":\#(versions)}"#
        let checkpoint = Checkpoint(
            key: .sample(id, namespace: namespace),
            parentID: parent,
            document: JSONText(trusted: Array(document.utf8)),
            metadata: metadata
        )
        try await store.put(checkpoint, blobs: blobs)
    }

    private func write(_ id: Identifier, _ channel: Identifier, in store: any Backend.Store) async throws {
        let index: Int32 = ["__interrupt__": -3, "__resume__": -4][channel] ?? 0
        try await store.putWrites([.sample("t", index, channel: channel)], for: .sample(id), onConflict: .replace)
    }

    private func ids(_ store: any Backend.Store) async throws -> [Identifier] {
        try await store.checkpoints(CheckpointQuery(thread: Self.thread)).map(\.key.id)
    }

    @Test(
        "only the newest of each namespace stays, without a parent, with its blobs and writes",
        arguments: Backend.allCases)
    func newest(_ backend: Backend) async throws {
        try await backend.withStore { store in
            for namespace in ["", "sub"] as [Identifier] {
                for (id, parent, version) in [("c1", nil, "1"), ("c2", "c1", "2"), ("c3", "c2", "2")]
                    as [(Identifier, Identifier?, Identifier)]
                {
                    let versions = #"{"a":"\#(version)"}"#
                    let blobs: [ChannelBlob] = id == "c3" ? [] : [.sample("a", version, Array(id.text.utf8))]
                    try await put(id, after: parent, in: store, namespace: namespace, versions: versions, blobs: blobs)
                    try await store.putWrites(
                        [.sample()], for: .sample(id, namespace: namespace), onConflict: .keepFirst)
                }
            }
            try await store.putWrites([.sample()], for: .sample("coming"), onConflict: .keepFirst)
            let before = try await store.tuple(in: Self.thread, namespace: "sub", id: nil)
            let report = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            #expect(report.removed.checkpoints == 4 && report.removed.writes == 4 && report.removed.blobs == 2)
            #expect(report.kept == 2)
            #expect(report.removed.bytes > 0)
            #expect(try await ids(store) == ["c3", "c3"])
            let after = try await store.tuple(in: Self.thread, namespace: "sub", id: nil)
            #expect(after?.checkpoint.parentID == nil)
            #expect(after?.checkpoint.document == before?.checkpoint.document)
            #expect(after?.blobs == before?.blobs && after?.pendingWrites == before?.pendingWrites)
            let rows = try await store.allRows(of: Self.thread)
            #expect(rows.count == 2 + 2 + 3, "two blobs, two checkpoints, three writes with the one that is to come")
            #expect(try await store.prune(Self.thread, .keepLatest(1), isDryRun: false).removed == RowCounts())
        }
    }

    @Test("a dry run says what would go, to the byte, and changes nothing", arguments: Backend.allCases)
    func dryRun(_ backend: Backend) async throws {
        try await backend.withStore { store in
            for number in 1...9 {
                let text = (0..<number * 100).map { "message \($0) of the thread; " }.joined()
                let blob = ChannelBlob.sample("a", Identifier("\(number)"), Array(text.utf8))
                try await put(
                    Identifier("c\(number)"),
                    after: number == 1 ? nil : Identifier("c\(number - 1)"),
                    in: store,
                    versions: #"{"a":"\#(number)"}"#,
                    blobs: [blob]
                )
            }
            let rows = try await store.allRows(of: Self.thread)
            for strategy in [.keepLatest(2), .delete] as [PruneStrategy] {
                let expected = try await store.prune(Self.thread, strategy, isDryRun: true)
                #expect(try await store.allRows(of: Self.thread) == rows)
                guard strategy != .delete else { continue }
                let bytes = try await store.summary(of: Self.thread)?.counts.bytes ?? 0
                #expect(try await store.prune(Self.thread, strategy, isDryRun: false) == expected)
                let left = try await store.summary(of: Self.thread)?.counts.bytes ?? 0
                #expect(bytes - left == expected.removed.bytes)
                #expect(try await ids(store) == ["c9", "c8"])
                let head = try await store.tuple(in: Self.thread, namespace: "", id: nil)
                #expect(head?.blobs.first?.bytes?.count ?? 0 > 20_000)
                break
            }
            // A version that went may be put again, and is then what it is now.
            try await put("c1", after: nil, in: store, versions: #"{"a":"1"}"#, blobs: [.sample("a", "1", [7])])
            #expect(try await store.tuple(in: Self.thread, namespace: "", id: "c1")?.blobs.first?.bytes == [7])
            #expect(try await store.prune(Self.thread, .delete, isDryRun: false).removed.checkpoints == 3)
            #expect(try await store.allRows(of: Self.thread) == [])
            #expect(try await store.summary(of: Self.thread) == nil)
        }
    }

    @Test(
        "an interrupt that nobody answered stays with the graphs around it; one that was answered goes",
        arguments: Backend.allCases)
    func interrupts(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await put("c1", after: nil, in: store)
            try await put("c2", after: "c1", in: store)
            try await put("c3", after: "c2", in: store)
            try await put("c4", after: "c2", in: store, metadata: #"{"source":"update"}"#)
            for id in ["c1", "c3"] as [Identifier] { try await write(id, "__interrupt__", in: store) }
            try await write("c1", "__resume__", in: store)
            let inner = #"{"source":"loop","parents":{"":"c3"}}"#
            try await put(
                "s1", after: nil, in: store, namespace: "node:1", metadata: JSONText(trusted: Array(inner.utf8)))
            _ = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            #expect(try await ids(store) == ["s1", "c4", "c3", "c2"], "c2 is where c3 and c4 part")
        }
    }

    @Test(
        "where branches part after an answer, the newest branch keeps its first step, and no answer looks as if it was awaited",
        arguments: Backend.allCases)
    func answeredFork(_ backend: Backend) async throws {
        try await backend.withStore { store in
            for (id, parent) in [("c1", nil), ("c2", "c1"), ("c3", "c1"), ("c4", "c3"), ("c5", "c4")] {
                try await put(Identifier(id), after: parent.map { Identifier($0) }, in: store)
            }
            for channel in ["__interrupt__", "__resume__"] as [Identifier] { try await write("c1", channel, in: store) }
            _ = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            #expect(try await ids(store) == ["c5", "c3", "c1"])
            _ = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            #expect(try await ids(store) == ["c5"], "nothing parts there any more")
        }
    }

    @Test(
        "a finished call of a subgraph goes with its caller; one whose caller is not there stays",
        arguments: Backend.allCases)
    func calls(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await put("c1", after: nil, in: store)
            try await put("c2", after: "c1", in: store)
            for (namespace, caller) in [("n:1", "c1"), ("n:2", "c2"), ("n:3", "lost"), ("own", "c1")] {
                let metadata = #"{"source":"loop","parents":{"":"\#(caller)"}}"#
                let (namespace, metadataText) = (Identifier(namespace), JSONText(trusted: Array(metadata.utf8)))
                try await put("s1", after: nil, in: store, namespace: namespace, metadata: metadataText)
                try await put("s2", after: "s1", in: store, namespace: namespace, metadata: metadataText)
            }
            let orphan = CheckpointKey.sample("late", namespace: "n:1")
            try await store.putWrites([.sample()], for: orphan, onConflict: .keepFirst)
            let report = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            let left = try await store.summary(of: Self.thread)?.namespaces.map(\.namespace)
            #expect(left == ["", "n:2", "n:3", "own"])
            #expect(report.removed.checkpoints == 1 + 2 + 3 && report.removed.writes == 1)
        }
    }

    @Test("the parent that has a head's sends stays, and no other", arguments: Backend.allCases)
    func sends(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await put("c1", after: nil, in: store, version: 1)
            try await put("c2", after: "c1", in: store, version: 1)
            try await put("c3", after: "c2", in: store, version: 1)
            try await write("c1", "__pregel_tasks", in: store)
            try await write("c2", "__pregel_tasks", in: store)
            let parts: TupleParts = [.parentSends]
            let before = try await store.tuple(in: Self.thread, namespace: "", id: nil, parts: parts)
            _ = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            #expect(try await ids(store) == ["c3", "c2", "c1"], "c2 is older than version 4 too")
            #expect(try await store.tuple(in: Self.thread, namespace: "", id: nil, parts: parts) == before)
            #expect(before?.parentSends.count == 1)
        }
    }

    @Test("what cannot be read stays, and so does all it may need", arguments: Backend.allCases)
    func unreadable(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await put("c1", after: nil, in: store, versions: #"{"a":"1"}"#, blobs: [.sample("a", "1")])
            try await put("c2", after: "c1", in: store, metadata: #"{"counters_since_delta_snapshot":1}"#)
            try await put("c3", after: "c2", in: store, metadata: #"{"parents":[],"source":1,"run_id":{}}"#)
            try await store.deleteRuns(["{}"], of: .default)
            #expect(try await ids(store).count == 3)
            _ = try await store.prune(Self.thread, .keepLatest(1), isDryRun: false)
            #expect(try await ids(store) == ["c3"], "odd metadata is not unreadable metadata")
        }
    }

    @Test(
        "runs go in all namespaces and threads of a tenant, and leave what others are made from",
        arguments: Backend.allCases)
    func runs(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let other = Tenant(name: "other")
            for thread in [ThreadKey("t1"), ThreadKey("t2"), ThreadKey("t1", tenant: other)] {
                for (id, run) in [("c1", "r1"), ("c2", "r2"), ("c3", "r1")] {
                    let metadata = #"{"run_id":"\#(run)"}"#
                    let checkpoint = Checkpoint(
                        key: .sample(Identifier(id), thread: thread),
                        parentID: id == "c1" ? nil : Identifier("c\(id == "c2" ? 1 : 2)"),
                        document: "{}",
                        metadata: JSONText(trusted: Array(metadata.utf8))
                    )
                    try await store.put(checkpoint, blobs: [])
                    try await store.putWrites([.sample()], for: checkpoint.key, onConflict: .keepFirst)
                }
            }
            try await store.deleteRuns(["r1", "none"], of: .default)
            for thread in [ThreadKey("t1"), ThreadKey("t2")] {
                let left = try await store.checkpoints(CheckpointQuery(thread: thread))
                #expect(left.map(\.key.id) == ["c2"] && left.first?.parentID == "c1")
                #expect(try await store.summary(of: thread)?.counts.writes == 1)
            }
            try await store.put(.sample(.sample("x"), metadata: #"{"run_id":"e\u0301"}"#), blobs: [])
            try await store.deleteRuns(["\u{e9}"], of: .default)
            #expect(try await ids(store) == ["x", "c2"], "a name is its bytes")
            try await expectUntouched(store, by: "r\u{FFFD}", having: [#""r\u0000""#, #""r\ud800""#])
            try await expectUntouched(store, by: "1", having: ["1", #"["1"]"#])
            let untouched = CheckpointQuery(thread: ThreadKey("t1", tenant: other))
            #expect(try await store.checkpoints(untouched).count == 3)
        }
    }

    @Test("what a circle of ancestors holds stays, whichever of them was looked at first", arguments: Backend.allCases)
    func circle(_ backend: Backend) async throws {
        try await backend.withStore { store in
            for (id, parent) in [("b", "c"), ("c", "b"), ("u", "b"), ("z", "u")] as [(Identifier, Identifier)] {
                let document: JSONText = #"{"channel_versions":{"a":"9"}}"#
                try await store.put(.sample(.sample(id), parent: parent, document: document), blobs: [])
            }
            try await store.putWrites([.sample("t", 0, channel: "a")], for: .sample("c"), onConflict: .keepFirst)
            let report = try await store.prune(ThreadKey("t1"), .keepLatest(1), isDryRun: false)
            #expect(report.removed.checkpoints == 0 && report.kept == 4)
        }
    }

    /// A held thread whose checkpoints have other runs does not keep a run from being deleted.
    private func expectUntouched(
        _ store: any Backend.Store,
        by run: Identifier,
        having others: [String]
    ) async throws {
        let (held, thread) = (ThreadKey("held"), ThreadKey("t3"))
        for (number, other) in others.enumerated() {
            let metadata = try JSONText(parsing: Array("{\"run_id\":\(other)}".utf8))
            try await store.put(.sample(.sample(Identifier("c\(number)"), thread: held), metadata: metadata), blobs: [])
        }
        let metadata = JSONText(trusted: Array("{\"run_id\":\"\(run.text)\"}".utf8))
        try await store.put(.sample(.sample("c1", thread: thread), metadata: metadata), blobs: [])
        #expect(try await store.set(ThreadSettings(isHeld: true), for: held) == .done)
        try await store.deleteRuns([run], of: .default)
        #expect(try await store.summary(of: thread) == nil)
        #expect(try await store.summary(of: held)?.counts.checkpoints == others.count)
        #expect(try await store.set(.none, for: held) == .done)
    }

    // MARK: - Everything that stays is worth what it was

    @Test(
        "in random threads all that stays has the state it had, and every waiting interrupt stays",
        arguments: Backend.allCases)
    func random(_ backend: Backend) async throws {
        var random = SeededGenerator(seed: testSeed("PruneConformance.random"))
        try await backend.withStore { store in
            var removed = 0
            for round in 0..<30 {
                let thread = ThreadKey(Identifier("random\(round)"))
                let waiting = try await build(thread, in: store, &random)
                let before = try await states(thread, store)
                let count = Int.random(in: 1...3, using: &random)
                removed += try await store.prune(thread, .keepLatest(count), isDryRun: false).removed.checkpoints
                let after = try await states(thread, store)
                for (id, state) in after { #expect(state == before[id], "round \(round), \(id)") }
                #expect(waiting.isSubset(of: after.keys))
                #expect(Set(before.keys.sorted().suffix(count)).isSubset(of: after.keys))
            }
            #expect(removed > 0)
        }
    }

    private struct State: Equatable {
        let document: JSONText
        let blobs: [ChannelBlob]
        let writes: [PendingWrite]
        let history: [ChannelHistory]
    }

    private func states(_ thread: ThreadKey, _ store: any Backend.Store) async throws -> [Identifier: State] {
        var states: [Identifier: State] = [:]
        for checkpoint in try await store.checkpoints(CheckpointQuery(thread: thread)) {
            let id = checkpoint.key.id
            let tuple = try #require(try await store.tuple(in: thread, namespace: "", id: id))
            // A checkpoint that has the value itself is made from nothing else.
            let isReplayed = !tuple.blobs.contains { $0.channel == "d" }
            states[id] = State(
                document: checkpoint.document,
                blobs: tuple.blobs,
                writes: tuple.pendingWrites,
                history: isReplayed
                    ? try await store.history(of: ["d"], in: thread, namespace: "", id: id) : []
            )
        }
        return states
    }

    /// Channel `d` keeps its writes and now and then its value, `n` its value; returns who waits for an answer.
    private func build(
        _ thread: ThreadKey,
        in store: any Backend.Store,
        _ random: inout SeededGenerator
    ) async throws -> Set<Identifier> {
        var waiting: Set<Identifier> = []
        let isNamed = Bool.random(using: &random)
        let count = Int.random(in: 3...14, using: &random)
        for number in 0..<count {
            let id = Identifier("c\(number + 100)")
            let isFork = number > 1 && Int.random(in: 0..<5, using: &random) == 0
            let parent = number == 0 ? nil : isFork ? Int.random(in: 0..<number, using: &random) : number - 1
            let hasValue = Int.random(in: 0..<4, using: &random) == 0
            var blobs = [
                ChannelBlob.sample("n", Identifier("\(number)"), Array(repeating: UInt8(number), count: 3_000))
            ]
            if hasValue { blobs.append(.sample("d", Identifier("\(number)"), Self.snapshot + [UInt8(number)])) }
            let metadata =
                isNamed ? #"{"source":"loop","counters_since_delta_snapshot":{"d":[1,1]}}"# : #"{"source":"loop"}"#
            let document = #"{"v":4,"channel_versions":{"n":"\#(number)","d":"\#(number)","e":"\#(number)"}}"#
            try await store.put(
                Checkpoint(
                    key: .sample(id, thread: thread),
                    parentID: parent.map { Identifier("c\($0 + 100)") },
                    document: JSONText(trusted: Array(document.utf8)),
                    metadata: JSONText(trusted: Array(metadata.utf8))
                ),
                blobs: blobs
            )
            var writes = [PendingWrite.sample("t", 0, channel: "d", [UInt8(number)])]
            if Int.random(in: 0..<6, using: &random) == 0 {
                writes.append(.sample("t", -3, channel: "__interrupt__"))
                waiting.insert(id)
            }
            try await store.putWrites(writes, for: .sample(id, thread: thread), onConflict: .keepFirst)
        }
        return waiting
    }
}
