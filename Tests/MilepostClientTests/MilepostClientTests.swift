import JSON
import MilepostClient
import Testing

@Suite("The client of a server", .timeLimit(.minutes(5)))
struct MilepostClientTests {
    private let counts: [JSONMember] = {
        guard
            case .object(let members) = [
                "created": "2026-01-02T03:04:05+00:00", "updated": .null, "checkpoints": 1, "writes": 2, "blobs": 3,
                "bytes": 4,
            ] as JSONValue
        else { return [] }
        return members
    }()

    private func thread(_ id: JSONString) -> JSONValue {
        .object([JSONMember(name: "thread_id", value: .string(id))] + counts)
    }

    @Test("threads come in pages, each after the cursor of the one before, with the API key")
    func threads() async throws {
        let (a, b) = (thread("a"), thread("b"))
        try await StubServer.with(apiKey: "key") { call in
            call.path.contains("after")
                ? .init(body: ["threads": [b]]) : .init(body: ["threads": [a]], cursor: "x y/&+=")
        } _: { client, stub in
            let first = try await client.threads(limit: 1)
            #expect(first.elements.map(\.id) == ["a"] && first.next == "x y/&+=")
            #expect(first.elements[0].counts.created == "2026-01-02T03:04:05+00:00")
            #expect(first.elements[0].counts.updated == nil && first.elements[0].counts.bytes == 4)
            let second = try await client.threads(after: first.next, limit: 1)
            #expect(second.elements.map(\.id) == ["b"] && second.next == nil)
            #expect(stub.calls.map(\.path) == ["/threads?limit=1", "/threads?limit=1&after=x%20y%2F%26%2B%3D"])
            #expect(stub.calls.allSatisfy { $0.authorization == "Bearer key" && $0.method == "GET" })
        }
    }

    @Test(
        "an id goes into the path byte by byte",
        arguments: [
            ("a/b", "a%2Fb"), ("..", "%2E%2E"), (".", "%2E"), ("a b%", "a%20b%25"), ("é", "%C3%A9"),
            ("e\u{301}", "e%CC%81"),
            ("a?b#c", "a%3Fb%23c"), ("A-z_0", "A-z_0"), ("\u{1b}", "%1B"),
        ])
    func paths(_ id: String, _ path: String) async throws {
        let counts = counts
        try await StubServer.with { _ in
            .init(
                body: .object(
                    [
                        JSONMember(name: "thread_id", value: .string(JSONString(id))),
                        JSONMember(
                            name: "namespaces",
                            value: [
                                .object(
                                    [
                                        JSONMember(name: "checkpoint_ns", value: ""),
                                        JSONMember(name: "head", value: "h"),
                                    ] + counts)
                            ]
                        ),
                    ] + counts
                )
            )
        } _: { client, stub in
            let detail = try await client.thread(id)
            #expect(detail.id == id && detail.namespaces.map(\.head) == ["h"])
            #expect(stub.calls.map(\.path) == ["/threads/\(path)"] && stub.calls[0].authorization == nil)
        }
    }

    @Test("checkpoints come with the parts that were asked for")
    func checkpoints() async throws {
        let tuple: JSONValue = [
            "thread_id": "t", "checkpoint_ns": "", "checkpoint_id": "2", "parent_checkpoint_id": "1",
            "checkpoint": ["v": 4, "big": .number(.init(trusted: "12345678901234567890"))], "metadata": ["step": 1],
            "blobs": [
                ["channel": "c", "version": "1", "type": "msgpack", "blob": "AQ=="],
                ["channel": "d", "version": "1", "type": "empty", "blob": .null],
            ],
            "pending_writes": [
                ["task_id": "k", "idx": -3, "channel": "w", "type": .null, "blob": "", "task_path": "p"]
            ],
        ]
        try await StubServer.with { call in
            call.path == "/checkpoints/list" ? .init(body: [tuple], cursor: "c") : .init(body: tuple)
        } _: { client, stub in
            let page = try await client.checkpoints(in: "t", including: [.pendingWrites, .blobs], after: "x", limit: 7)
            let one = try await client.checkpoint(in: "t", namespace: "n", id: "2", including: [.taskPath])
            #expect(page.next == "c")
            for found in page.elements + [try #require(one)] {
                #expect(found.id == "2" && found.parentID == "1" && found.blobs.map(\.bytes) == [[1], nil])
                #expect(
                    found.documentText == #"{"v":4,"big":12345678901234567890}"# && found.metadataText == #"{"step":1}"#
                )
                let write = try #require(found.pendingWrites.first)
                #expect(write.index == -3 && write.type == nil && write.bytes == [] && write.taskPath == "p")
            }
            #expect(
                stub.calls.map(\.body) == [
                    #"{"thread_id":"t","checkpoint_ns":null,"include":["blobs","pending_writes"],"after":"x","limit":7}"#,
                    #"{"thread_id":"t","checkpoint_ns":"n","checkpoint_id":"2","include":["task_path"]}"#,
                ]
            )
        }
    }

    @Test("a checkpoint that is not there is nil")
    func nothing() async throws {
        try await StubServer.with { _ in
            .init()
        } _: { client, _ in
            let found = try await client.checkpoint(in: "t")
            #expect(found?.id == nil)
        }
    }
}
