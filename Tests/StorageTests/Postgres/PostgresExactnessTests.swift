import Checkpoints
import JSON
import PostgresStorage
import TestSupport
import Testing

/// What PostgreSQL's own types would lose, and what other programs do to the same rows.
@Suite("PostgreSQL keeps what was sent", .timeLimit(.minutes(5)))
struct PostgresExactnessTests {
    /// Runs `body` on a store, with the connection string of its schema.
    private func withStore(
        _ backend: Backend = .postgres,
        _ body: (PostgresStore, String) async throws -> Void
    ) async throws {
        await PostgresServer.turns.take()
        let directory = try TemporaryDirectory()
        let schema = try PostgresServer.schema(named: directory.name)
        if backend == .adopted { _ = try LangGraphTables.schema(named: directory.name) }
        let store = try PostgresStore(ConnectionString(schema))
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(store, schema))
        } catch {
            result = .failure(error)
        }
        await store.close()
        await PostgresServer.turns.giveBack()
        try result.get()
    }

    @Test(
        "documents that jsonb cannot hold come back as they were sent",
        arguments: [
            #"{"a":"x\u0000y"}"#, #"{"a\u0000":1,"a":2}"#, #"{"a":"\ud800"}"#, #"{"a":"\udc00\ud800"}"#,
            #"{"a":"\ud83d\ude00"}"#, #"{"a":"\\u0000"}"#, #"{"a":1e-20000}"#, #"{"a":1.0,"b":1e16,"c":-0,"d":1E5}"#,
            #"{"b":1,"a":2,"b":3}"#, #"{ "a" : [ ] }"#, #"{"a":12345678901234567890123456789012345678901234567890}"#,
        ]
    )
    func exact(_ text: JSONText) async throws {
        try await withStore { store, _ in
            let checkpoint = Checkpoint.sample(document: text, metadata: text)
            try await store.put(checkpoint, blobs: [])
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.checkpoint == checkpoint)
            #expect(try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"))) == [checkpoint])
            let filter = try text.value
            let found = try await store.checkpoints(CheckpointQuery(thread: ThreadKey("t1"), metadataFilter: filter))
            #expect(found == [checkpoint], "metadata contains itself")
        }
    }

    @Test("a number with more decimals than numeric has comes back too")
    func manyDecimals() async throws {
        let text = try JSONText(parsing: Array("{\"a\":0.\(String(repeating: "1", count: 20_000))}".utf8))
        try await withStore { store, _ in
            try await store.put(.sample(document: text, metadata: text), blobs: [])
            #expect(try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.checkpoint.document == text)
        }
    }

    @Test("a filter is compared exactly, though the server compares substitutes")
    func filters() async throws {
        try await withStore { store, _ in
            for (id, metadata) in [("c1", #"{"k":"\u0000"}"#), ("c2", #"{"k":"\ufffd"}"#), ("c3", #"{"k":"\ud800"}"#)] {
                let text = try JSONText(parsing: Array(metadata.utf8))
                try await store.put(.sample(.sample(Identifier(id)), metadata: text), blobs: [])
            }
            for (id, metadata) in [("c1", #"{"k":"\u0000"}"#), ("c2", #"{"k":"\ufffd"}"#), ("c3", #"{"k":"\ud800"}"#)] {
                let filter = try JSONText(parsing: Array(metadata.utf8)).value
                let query = CheckpointQuery(thread: ThreadKey("t1"), metadataFilter: filter, limit: 1)
                #expect(try await store.checkpoints(query).map(\.key.id.text) == [id])
            }
        }
    }

    @Test("versions that are no text name the blob that Python's str() of jsonb names")
    func oddVersions() async throws {
        let document: JSONText = #"{"channel_versions":{"a":1.50,"b":true,"c":null,"d":1e16,"e":[1,"x"],"f":7}}"#
        let names = ["a": "1.5", "b": "True", "c": "None", "d": "10000000000000000", "e": "[1, 'x']", "f": "7"]
        try await withStore { store, _ in
            let blobs = names.map { ChannelBlob.sample(Identifier($0.key), Identifier($0.value), Array($0.key.utf8)) }
            try await store.put(.sample(document: document), blobs: blobs)
            let expected = try ChannelVersion.all(in: document)
            let found = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.blobs ?? []
            #expect(found.map { ChannelVersion(channel: $0.channel, version: $0.version) } == expected)
        }
    }

    @Test(
        "a history begins at the value that the document names, not at one that jsonb has a like name for",
        arguments: [
            // Nearest first: versions of channel "a", and one of another name.
            #"{"a":"1\u0000"}"#, #"{"a":"1\ud800"}"#, #"{"a":"1\ufffd"}"#, #"{"a":1.50}"#, #"{"a":1e-7}"#,
            #"{"a":true}"#,
            #"{"a":null}"#, #"{"a":["1"]}"#, #"{"a":2.0}"#, #"{"a":1e16}"#, #"{"a":12345678901234567.5}"#,
            #"{"a\u0000":"1"}"#,
            #"{"a\ud800":"1","a\ufffd":"2"}"#, #"{"a\u0000":"1","a":"\u0000"}"#,
        ])
    func historyOfOddVersions(_ versions: String) async throws {
        let names = [
            "1\u{FFFD}", "1.5", "1.50", "1e-07", "0.0000001", "True", "true", "None", "['1']", "[\"1\"]", "2.0", "1",
            "2",
        ]
        let blobs = (names + ["10000000000000000", "12345678901234568.0", "12345678901234567.5"]).flatMap { name in
            ["a", "a\u{FFFD}"].map { ChannelBlob.sample($0, Identifier(name), Array(name.utf8)) }
        }
        func histories(_ store: any CheckpointStore) async throws -> [ChannelHistory] {
            for (id, parent) in [("c1", nil), ("c2", "c1"), ("c3", "c2"), ("c4", "c3")] as [(Identifier, Identifier?)] {
                let text = id == "c2" ? versions : id == "c1" ? #"{"a":"1","a\ufffd":"1"}"# : "{}"
                let document = try JSONText(parsing: Array("{\"channel_versions\":\(text)}".utf8))
                try await store.put(.sample(.sample(id), parent: parent, document: document), blobs: blobs)
                try await store.putWrites([.sample("t", 0, channel: "a")], for: .sample(id), onConflict: .keepFirst)
            }
            return try await store.history(of: ["a", "a\u{FFFD}", "b"], in: ThreadKey("t1"), namespace: "", id: nil)
                + store.history(of: ["a"], in: ThreadKey("t1"), namespace: "", id: "c4")
        }
        let expected = try await histories(MemoryStore())
        try await withStore { store, _ in
            let found = try await histories(store)
            #expect(found == expected)
        }
    }

    @Test("a row that another saver has replaced reads as that saver left it", arguments: [Backend.postgres, .adopted])
    func replacedElsewhere(_ backend: Backend) async throws {
        try await withStore(backend) { store, schema in
            try await store.put(.sample(document: #"{"z":1,"a":1e3}"#, metadata: #"{"z":1,"a":2}"#), blobs: [])
            try PostgresServer.execute(
                #"UPDATE checkpoints SET checkpoint = '{"b": 2, "a": 1}', metadata = '{"step": 5}'"#,
                on: schema
            )
            let found = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.checkpoint
            #expect(found?.document == #"{"a": 1, "b": 2}"#)
            #expect(found?.metadata == #"{"step": 5}"#)
            // Put again, the exact texts count again.
            try await store.put(.sample(document: #"{"z":1}"#, metadata: #"{"y":1.0}"#), blobs: [])
            let again = try await store.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.checkpoint
            #expect(again?.document == #"{"z":1}"# && again?.metadata == #"{"y":1.0}"#)
        }
    }

    @Test("threads of tenants do not meet, whatever their ids look like")
    func storedThreads() async throws {
        let threads = [
            ThreadKey("t"), ThreadKey("\u{1F}1:at"), ThreadKey("t", tenant: Tenant(name: "a")),
            ThreadKey("t", tenant: Tenant(name: "\u{1F}1:a")), ThreadKey("at", tenant: Tenant(name: "")),
            ThreadKey(":t", tenant: Tenant(name: "1")), ThreadKey("\u{1F}t"), ThreadKey("e\u{301}"),
            ThreadKey("\u{E9}"),
        ]
        try await withStore { store, _ in
            for (number, thread) in threads.enumerated() {
                let document = try JSONText(parsing: Array("{\"n\":\(number)}".utf8))
                try await store.put(.sample(.sample(thread: thread), document: document), blobs: [])
            }
            for (number, thread) in threads.enumerated() {
                let found = try await store.checkpoints(CheckpointQuery(thread: thread))
                #expect(found.map { String(decoding: $0.document.bytes, as: UTF8.self) } == ["{\"n\":\(number)}"])
            }
        }
    }
}
