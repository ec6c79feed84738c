import Checkpoints
import HTTPTypes
import JSON
import TestSupport
import Testing

/// What takes a thread's bytes, over HTTP; `MemoryStore` stores what it is given.
@Suite("The inspector's sizes", .timeLimit(.minutes(5)))
struct InspectorSizesTests {
    private static func put(
        _ id: Identifier,
        _ document: String,
        _ blobs: [ChannelBlob] = [],
        namespace: Identifier = "",
        in store: MemoryStore
    ) async throws {
        let document = JSONText(trusted: Array(document.utf8))
        try await store.put(.sample(.sample(id, namespace: namespace), document: document), blobs: blobs)
    }

    private static func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

    private static func sizes(
        _ client: APIClient, _ body: String = #"{"thread_id":"t1"}"#
    ) async throws -> APIClient.Answer {
        try await client.send(.post, "/inspector/sizes", body: body)
    }

    @Test("a version is added by the first checkpoint that names it, the largest channel comes first")
    func report() async throws {
        let store = MemoryStore()
        let first = #"{"ts":"one","channel_versions":{"a":"1","b":"1"}}"#
        let second = #"{"channel_versions":{"a":"2","b":"1"}}"#
        let sub = #"{"ts":"sub","channel_versions":{"a":"1"}}"#
        try await Self.put("c3", second, [.sample("a", "2", Self.bytes(50)), .sample("gone", "9", nil)], in: store)
        try await Self.put(
            "c1", first, [.sample("a", "1", Self.bytes(20)), .sample("b", "1", Self.bytes(70))], in: store)
        try await Self.put("c2", sub, [.sample("a", "1", Self.bytes(5))], namespace: "s", in: store)
        try await store.putWrites(
            [.sample("t", 0), .sample("t", 1, [1, 2])], for: .sample("c1"), onConflict: .keepFirst)
        try await store.putWrites([.sample("t", 0, [1, 2])], for: .sample("c9"), onConflict: .keepFirst)
        // Metadata is `{}`.
        let (one, two, three) = (first.utf8.count + 2, sub.utf8.count + 2, second.utf8.count + 2)
        func size(_ count: Int) -> String { #""logical":\#(count),"stored":\#(count)"# }
        let documents = one + two + three
        let expected =
            #"{"total":{\#(size(documents + 150))},"documents":{"count":3,\#(size(documents))},"#
            + #""writes":{"count":3,\#(size(5))},"channels":["#
            + #"{"checkpoint_ns":"","channel":"a","versions":2,\#(size(70))},"#
            + #"{"checkpoint_ns":"","channel":"b","versions":1,\#(size(70))},"#
            + #"{"checkpoint_ns":"s","channel":"a","versions":1,\#(size(5))},"#
            + #"{"checkpoint_ns":"","channel":"gone","versions":1,\#(size(0))}],"points":["#
            + #"{"checkpoint_id":"c1","ts":"one",\#(size(one + 93)),"channels":[[0,20,20],[1,70,70]]},"#
            + #"{"checkpoint_id":"c2","ts":"sub",\#(size(two + 5)),"channels":[[2,5,5]]},"#
            + #"{"checkpoint_id":"c3","ts":null,\#(size(three + 52)),"channels":[[0,50,50],[3,0,0]]}]}"#
        try await APIClient.run(store: store) { client async throws in
            let answer = try await Self.sizes(client)
            #expect(answer.status == 200)
            #expect(answer.body == expected)
        }
    }

    @Test("a value that is in the document itself counts as its channel's")
    func inline() async throws {
        let store = MemoryStore()
        let value = "\"" + String(repeating: "x", count: 300) + "\""
        let document = #"{"channel_values":{"draft":\#(value)},"channel_versions":{"draft":"1"}}"#
        try await Self.put("c1", document, in: store)
        try await Self.put("c2", document, in: store)
        try await APIClient.run(store: store) { client async throws in
            let answer = try await Self.sizes(client).body
            let own = document.utf8.count + 2 - 302
            #expect(answer.contains(#""documents":{"count":2,"logical":\#(2 * own),"stored":\#(2 * own)}"#))
            #expect(answer.contains(#""channel":"draft","versions":2,"logical":604,"stored":604}"#))
            #expect(answer.contains(#""checkpoint_id":"c2","ts":null,"logical":\#(own + 302),"#))
        }
    }

    @Test("of many checkpoints neighbours are joined, and nothing is lost", arguments: [199, 200, 201, 1_234])
    func joined(_ count: Int) async throws {
        let store = MemoryStore()
        for number in 0..<count {
            let document = #"{"ts":"at \#(number)","channel_versions":{"a":"\#(number)"}}"#
            let blob = ChannelBlob.sample("a", Identifier("\(number)"), Self.bytes(number))
            try await Self.put(Identifier("c\(10_000 + number)"), document, [blob], in: store)
        }
        try await APIClient.run(store: store) { client async throws in
            let answer = try JSONText(parsing: Array(try await Self.sizes(client).body.utf8)).value
            let points = answer["points"]?.elements ?? []
            #expect(points.count == min(count, 200))
            #expect(points.last?["checkpoint_id"] == .string(JSONString("c\(10_000 + count - 1)")))
            #expect(points.last?["ts"] == .string(JSONString("at \(count - 1)")))
            #expect(points.reduce(0) { $0 + $1["logical"].count } == answer["total"]?["logical"].count)
            let channels = points.compactMap { $0["channels"]?.elements.first?.elements }
            #expect(channels.reduce(0) { $0 + Optional($1[2]).count } == count * (count - 1) / 2)
        }
    }

    @Test("writes alone have no point; a thread that is not there is null, and a body without one is 422")
    func others() async throws {
        let store = MemoryStore()
        try await store.putWrites([.sample("t", 0, [1, 2])], for: .sample(), onConflict: .keepFirst)
        try await APIClient.run(store: store) { client async throws in
            let size = #""logical":2,"stored":2"#
            let expected =
                #"{"total":{\#(size)},"documents":{"count":0,"logical":0,"stored":0},"writes":{"count":1,\#(size)},"#
                + #""channels":[],"points":[]}"#
            #expect(try await Self.sizes(client).body == expected)
            #expect(try await Self.sizes(client, #"{"thread_id":"none"}"#).body == "null")
            #expect(try await Self.sizes(client, "{}").status == 422)
        }
    }
}

extension JSONValue {
    fileprivate var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }
}

extension JSONValue? {
    fileprivate var count: Int {
        guard case .number(let number)? = self else { return -1 }
        return Int(number.double)
    }
}
