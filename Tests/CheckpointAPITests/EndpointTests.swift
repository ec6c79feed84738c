import CheckpointAPI
import Checkpoints
import HTTPTypes
import Testing

/// What every call has in common.
@Suite("Endpoints", .timeLimit(.minutes(5)))
struct EndpointTests {
    static let calls = ["get-tuple", "put", "put-writes", "list", "delete-thread"]

    @Test("another method is 405 and says which is allowed", arguments: calls)
    func methods(_ call: String) async throws {
        try await APIClient.run { client in
            for method: HTTPRequest.Method in [.get, .put, .patch, .delete, .options, .trace] {
                let answer = try await client.send(method, "/checkpoints/" + call)
                #expect(answer.status == 405)
                #expect(answer["allow"] == "POST")
                #expect(answer.body == #"{"detail":"Method Not Allowed"}"#)
            }
        }
    }

    @Test(
        "any other path is 404",
        arguments: [
            "/", "/checkpoints", "/checkpoints/", "/checkpoints/put/", "//checkpoints/put", "/checkpoints//put",
            "/Checkpoints/Put", "/checkpoints/put_writes", "/v1/checkpoints/put", "/checkpoints/x/../put",
            "/checkpoints/put%2Fx", "/checkpoints/%",
        ]
    )
    func paths(_ path: String) async throws {
        try await APIClient.run { client in
            let answer = try await client.send(.post, path, body: #"{"thread_id":"t"}"#)
            #expect(answer.status == 404)
            #expect(answer.body == #"{"detail":"Not Found"}"#)
        }
    }

    @Test("a query is ignored, and escapes in a path are decoded")
    func queries() async throws {
        try await APIClient.run { client in
            for path in ["/checkpoints/list?thread_id=x", "/checkpoints/li%73t", "/checkpoints/%6cist?a=b"] {
                let answer = try await client.send(.post, path, body: #"{"thread_id":"t"}"#)
                #expect(answer.status == 200)
                #expect(answer.body == "[]")
            }
        }
    }

    @Test("every answer has a request id: the client's when it is one, else a new one")
    func requestID() async throws {
        try await APIClient.run { client in
            let name = try #require(HTTPField.Name("x-request-id"))
            for sent in ["abc", "A-1_2.z", String(repeating: "x", count: 128)] {
                let answer = try await client.send(.get, "/healthz", headers: [name: sent])
                #expect(answer["x-request-id"] == sent)
            }
            for sent in ["", "a b", "ä", "a\tb", String(repeating: "x", count: 129), "{\"x\":1}"] {
                let answer = try await client.send(.get, "/nope", headers: [name: sent])
                #expect(answer["x-request-id"]?.wholeMatch(of: /[0-9a-f]{16}/) != nil)
            }
            let first = try await client.post("list", "[]")
            let second = try await client.post("list", "[]")
            #expect(first["x-request-id"] != nil && first["x-request-id"] != second["x-request-id"])
        }
    }

    @Test("a body over the limit is 413 and names the limit")
    func bodyLimit() async throws {
        try await APIClient.run(limits: APILimits(bodyBytes: 100)) { client in
            for call in Self.calls {
                let answer = try await client.post(call, "{\"thread_id\":\"\(String(repeating: "x", count: 100))\"}")
                #expect(answer.status == 413)
                #expect(
                    answer.body
                        == #"{"detail":"The request body is larger than this server takes: 100 bytes (max-body-bytes)"}"#
                )
            }
            let body = "{\"thread_id\":\"\(String(repeating: "x", count: 84))\"}"
            #expect(body.utf8.count == 100)
            #expect(try await client.post("list", body).status == 200)
        }
    }

    @Test("204 has no body and no content type")
    func noContent() async throws {
        try await APIClient.run { client in
            let answer = try await client.post("delete-thread", #"{"thread_id":"t"}"#)
            #expect(answer.status == 204)
            #expect(answer.body == "")
            #expect(answer["content-type"] == nil)
        }
    }

    @Test("health asks nothing of the store, readiness does")
    func health() async throws {
        try await APIClient.run { client in
            let health = try await client.send(.get, "/healthz")
            let readiness = try await client.send(.get, "/readyz")
            #expect(health.status == 200 && health.body == #"{"status":"ok"}"#)
            #expect(readiness.status == 200 && readiness.body == #"{"status":"ready"}"#)
        }
        let broken = FailingStore(error: StoreError(.unavailable, during: "probe the store"))
        try await APIClient.run(store: broken) { client in
            let health = try await client.send(.get, "/healthz")
            let readiness = try await client.send(.get, "/readyz")
            #expect(health.status == 200)
            #expect(readiness.status == 503)
        }
    }

    static let answers: [(StoreError.Kind, Int, String?, String)] = [
        (.busy, 503, "1", #"{"detail":"The store is busy; send the request again"}"#),
        (.unavailable, 503, "1", #"{"detail":"The store is not available; send the request again"}"#),
        (.closed, 503, "5", #"{"detail":"The server is shutting down; send the request again"}"#),
        (.full, 503, "30", #"{"detail":"The store's disk is full; nothing was changed"}"#),
        (
            .held, 409, nil,
            #"{"detail":"The thread, or one of the threads, is held; release it first: PUT /threads/{thread_id}/retention with "#
                + #"{\"hold\":false}"}"#
        ),
        (.tooLarge, 413, nil, #"{"detail":"The writes of one task may come to 512 MiB in all; nothing was changed"}"#),
        (.corrupt, 500, nil, #"{"message":"Internal Server Error","code":500,"data":null}"#),
        (.unexpected, 500, nil, #"{"message":"Internal Server Error","code":500,"data":null}"#),
    ]

    @Test("what a store cannot do is 503 with when to come back, or a bare 500", arguments: answers)
    func storeErrors(_ kind: StoreError.Kind, _ status: Int, _ retry: String?, _ body: String) async throws {
        let store = FailingStore(error: StoreError(kind, during: "x", detail: "secret words of the engine"))
        try await APIClient.run(store: store) { client in
            let bodies = [
                "get-tuple": #"{"thread_id":"t"}"#, "list": #"{"thread_id":"t"}"#,
                "delete-thread": #"{"thread_id":"t"}"#,
                "put": #"{"thread_id":"t","checkpoint_id":"c","checkpoint":{}}"#,
                "put-writes": #"{"thread_id":"t","checkpoint_id":"c","writes":[]}"#,
            ]
            for (call, request) in bodies {
                let answer = try await client.post(call, request)
                #expect(answer.status == status)
                #expect(answer["retry-after"] == retry)
                #expect(answer.body == body)
            }
        }
        #expect(Set(Self.answers.map(\.0)) == Set(StoreError.Kind.allCases))
    }
}
