import Checkpoints
import JSON
import TestSupport
import Testing

/// The contract of `CheckpointStore`, executable: the same tests over every store.
@Suite("Every store", .timeLimit(.minutes(5)))
struct Conformance {}

extension Conformance {
    @Test("an empty store has nothing", arguments: Backend.allCases)
    func empty(_ backend: Backend) async throws {
        try await backend.withStore { store in
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil) == nil)
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))) == [])
            try await store.deleteThread(ThreadKey("t1"))
            try await store.probe()
        }
    }

    @Test("what was put comes back byte for byte", arguments: Backend.allCases)
    func roundTrip(_ backend: Backend) async throws {
        let text: JSONText =
            #" {"channel_versions" : {"a":"1"},"n":[1.0, 1e16,-0,12345678901234567890123],"k\u0000":"\ud800"} "#
        let document = JSONText(trusted: Array(text.bytes.dropFirst().dropLast()))
        let checkpoint = Checkpoint.sample(parent: "c0", document: document, metadata: #"{"b":1,"a":{"x":[]}}"#)
        let blob = ChannelBlob.sample("a", "1", Array(0...255))
        try await backend.withStore { store in
            try await store.put(checkpoint, blobs: [blob])
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            #expect(tuple == CheckpointTuple(checkpoint: checkpoint, blobs: [blob], pendingWrites: []))
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))) == [checkpoint])
        }
    }

    @Test("the same key again replaces document and metadata, never the parent", arguments: Backend.allCases)
    func replaces(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(parent: "p1", document: #"{"gen":1}"#, metadata: #"{"gen":1}"#), blobs: [])
            try await store.put(.sample(parent: "p2", document: #"{"gen":2}"#, metadata: "{}"), blobs: [])
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            #expect(tuple?.checkpoint == .sample(parent: "p1", document: #"{"gen":2}"#, metadata: "{}"))
        }
    }

    @Test("a checkpoint put without a parent never gets one", arguments: Backend.allCases)
    func keepsNoParent(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.put(.sample(), blobs: [])
            try await store.put(.sample(parent: "late"), blobs: [])
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.checkpoint.parentID == nil)
        }
    }

    @Test("the first bytes of a blob's version stay, within one call and across calls", arguments: Backend.allCases)
    func blobsAreWriteOnce(_ backend: Backend) async throws {
        let document: JSONText = #"{"channel_versions":{"a":"1"}}"#
        try await backend.withStore { store in
            try await store.put(.sample(document: document), blobs: [.sample("a", "1", [1]), .sample("a", "1", [2])])
            try await store.put(.sample(document: document), blobs: [.sample("a", "1", type: "other", [3])])
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            #expect(tuple?.blobs == [.sample("a", "1", [1])])
        }
    }

    @Test("no bytes, and no value, are two things", arguments: Backend.allCases)
    func emptyBlobs(_ backend: Backend) async throws {
        let document: JSONText = #"{"channel_versions":{"none":"1","empty":"1"}}"#
        let blobs = [ChannelBlob.sample("none", "1", type: "empty", nil), .sample("empty", "1", [])]
        try await backend.withStore { store in
            try await store.put(.sample(document: document), blobs: blobs)
            try await store.putWrites([.sample("t", 0, type: nil, [])], for: .sample(), onConflict: .keepFirst)
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            #expect(tuple?.blobs == blobs)
            #expect(tuple?.pendingWrites == [.sample("t", 0, type: nil, [])])
        }
    }

    @Test("only blobs that the document's versions name come back, whoever put them", arguments: Backend.allCases)
    func blobsByVersion(_ backend: Backend) async throws {
        let first: JSONText = #"{"channel_versions":{"a":"1","b":"1"}}"#
        let second: JSONText = #"{"channel_versions":{"b":"1","a":"2","gone":"9","n":1}}"#
        try await backend.withStore { store in
            try await store.put(
                .sample(.sample("c1"), document: first),
                blobs: [.sample("a", "1", [1]), .sample("b", "1", [2]), .sample("n", "1", [4])]
            )
            try await store.put(.sample(.sample("c2"), document: second), blobs: [.sample("a", "2", [3])])
            let old = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            let new = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c2")
            #expect(old?.blobs == [.sample("a", "1", [1]), .sample("b", "1", [2])])
            #expect(new?.blobs == [.sample("b", "1", [2]), .sample("a", "2", [3]), .sample("n", "1", [4])])
        }
    }

    @Test("blobs of another namespace or thread stay there", arguments: Backend.allCases)
    func blobsAreOfOneNamespace(_ backend: Backend) async throws {
        let document: JSONText = #"{"channel_versions":{"a":"1"}}"#
        try await backend.withStore { store in
            try await store.put(.sample(document: document), blobs: [])
            try await store.put(.sample(.sample(namespace: "sub"), document: document), blobs: [.sample("a", "1", [1])])
            try await store.put(
                .sample(.sample(thread: ThreadKey("t2")), document: document),
                blobs: [.sample("a", "1", [2])]
            )
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")?.blobs == [])
        }
    }

    @Test("a checkpoint with 20,000 channels reads back", arguments: Backend.allCases)
    func manyChannels(_ backend: Backend) async throws {
        let names = (0..<20_000).map { "channel\($0)" }
        let versions = names.map { "\"\($0)\":\"1\"" }.joined(separator: ",")
        let document = try JSONText(parsing: Array("{\"channel_versions\":{\(versions)}}".utf8))
        try await backend.withStore { store in
            try await store.put(
                .sample(document: document),
                blobs: names.map { .sample(Identifier($0), "1", Array($0.utf8)) }
            )
            let tuple = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)
            #expect(tuple?.blobs.map(\.channel.text) == names)
        }
    }

    @Test("threads of one tenant are not another's", arguments: Backend.allCases)
    func tenants(_ backend: Backend) async throws {
        let other = ThreadKey("t1", tenant: Tenant(name: "other"))
        try await backend.withStore { store in
            try await store.put(.sample(document: #"{"of":"default"}"#), blobs: [])
            #expect(try await store.tuple(in: other, namespace: "", id: nil) == nil)
            #expect(try await store.checkpoints(CheckpointQuery(thread: other)) == [])
            try await store.put(.sample(.sample(thread: other), document: #"{"of":"other"}"#), blobs: [])
            try await store.deleteThread(other)
            let kept = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)
            #expect(kept?.checkpoint.document == #"{"of":"default"}"#)
        }
    }

    @Test("deleting a thread leaves nothing of it and everything of others", arguments: Backend.allCases)
    func deletes(_ backend: Backend) async throws {
        let document: JSONText = #"{"channel_versions":{"a":"1"}}"#
        try await backend.withStore { store in
            for thread in [ThreadKey("t1"), ThreadKey("t2")] {
                for namespace: Identifier in ["", "sub"] {
                    let key = CheckpointKey.sample(thread: thread, namespace: namespace)
                    try await store.put(.sample(key, document: document), blobs: [.sample("a")])
                    try await store.putWrites([.sample()], for: key, onConflict: .keepFirst)
                }
                let orphan = CheckpointKey.sample("later", thread: thread)
                try await store.putWrites([.sample()], for: orphan, onConflict: .keepFirst)
            }
            try await store.deleteThread(ThreadKey("t1"))
            try await store.deleteThread(ThreadKey("t1"))
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))) == [])
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t2"))).count == 2)

            // The same keys again find neither blob nor write of before.
            try await store.put(.sample(document: document), blobs: [])
            try await store.put(.sample(.sample("later")), blobs: [])
            let again = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "c1")
            let later = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: "later")
            #expect(again?.blobs == [] && again?.pendingWrites == [])
            #expect(later?.pendingWrites == [])
        }
    }

    @Test("a closed store refuses every call", arguments: Backend.allCases)
    func closed(_ backend: Backend) async throws {
        let directory = try TemporaryDirectory()
        let store = try backend.open(in: directory)
        await store.close()
        await store.close()
        await #expect(throws: StoreError.self) { try await store.put(.sample(), blobs: []) }
        await #expect(throws: StoreError.self) {
            try await store.putWrites([.sample()], for: .sample(), onConflict: .keepFirst)
        }
        await #expect(throws: StoreError.self) { try await store.tuple(in: ThreadKey("t"), namespace: "", id: nil) }
        await #expect(throws: StoreError.self) { try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t"))) }
        await #expect(throws: StoreError.self) { try await store.deleteThread(ThreadKey("t")) }
        await #expect(throws: StoreError.self) { try await store.probe() }
    }
}
