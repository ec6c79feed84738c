import Checkpoints
import HTTPTypes
import TestSupport
import Testing

/// How long a thread is kept, as bytes on the wire.
@Suite("Retention over HTTP", .timeLimit(.minutes(5)))
struct RetentionTests {
    private func withThread(_ body: @escaping @Sendable (APIClient) async throws -> Void) async throws {
        let store = MemoryStore()
        for (id, namespace) in [("c1", ""), ("c2", ""), ("s1", "sub")] as [(Identifier, Identifier)] {
            try await store.put(.sample(.sample(id, thread: ThreadKey("a/b"), namespace: namespace)), blobs: [])
        }
        try await APIClient.run(store: store, body)
    }

    private static let path = "/threads/a%2Fb/retention"

    @Test("what is set is answered, by PUT as by GET, and what is left out is unset")
    func set() async throws {
        try await withThread { client async throws in
            let none = #"{"thread_id":"a/b","ttl":null,"pin":[],"hold":false}"#
            #expect(try await client.send(.get, Self.path).body == none)
            let body =
                #"{"ttl":60,"pin":["c2",{"checkpoint_ns":"sub","checkpoint_id":"s1"},{"checkpoint_id":"c2"}],"hold":true}"#
            let expected =
                #"{"thread_id":"a/b","ttl":60,"pin":[{"checkpoint_ns":"","checkpoint_id":"c2"},"#
                + #"{"checkpoint_ns":"sub","checkpoint_id":"s1"}],"hold":true}"#
            let answer = try await client.send(.put, Self.path, body: body)
            #expect(answer.status == 200 && answer.body == expected)
            #expect(try await client.send(.get, Self.path).body == expected)
            #expect(try await client.send(.put, Self.path, body: "{}").body == none)
            #expect(try await client.send(.get, Self.path).body == none)
        }
    }

    @Test(
        "a body that is wrong is 422, and changes nothing",
        arguments: [
            (#"{"ttl":0}"#, #""loc":["body","ttl"]"#), (#"{"ttl":"soon"}"#, #""loc":["body","ttl"]"#),
            (#"{"pin":"c1"}"#, #""loc":["body","pin"]"#), (#"{"pin":[1]}"#, #""loc":["body","pin",0]"#),
            (#"{"pin":["c1",{"checkpoint_ns":"sub"}]}"#, #""loc":["body","pin",1,"checkpoint_id"]"#),
            (
                #"{"pin":["c1","c9"]}"#,
                #""loc":["body","pin",1],"msg":"Value error, The thread has no such checkpoint","input":"c9""#
            ), (#"{"hold":"maybe"}"#, #""loc":["body","hold"]"#),
            (
                #"{"pin":[{"checkpoint_ns":"sub","checkpoint_id":"c1"}]}"#,
                #""loc":["body","pin",0,"checkpoint_id"],"msg":"Value error, The thread has no such checkpoint","input":"c1""#
            ),
        ])
    func refused(_ body: String, _ words: String) async throws {
        try await withThread { client async throws in
            let answer = try await client.send(.put, Self.path, body: body)
            #expect(answer.status == 422 && answer.body.contains(words), "\(answer.body)")
            #expect(try await client.send(.get, Self.path).body.contains(#""ttl":null,"pin":[],"hold":false"#))
        }
    }

    @Test("a thread that is not there is 404; other methods are 405")
    func missing() async throws {
        try await withThread { client async throws in
            #expect(try await client.send(.get, "/threads/none/retention").status == 404)
            #expect(try await client.send(.put, "/threads/none/retention", body: "{}").status == 404)
            #expect(try await client.send(.post, Self.path, body: "{}").status == 405)
            #expect(try await client.send(.get, Self.path + "/more").status == 404)
        }
    }

    @Test("of a held thread nothing is deleted: 409 says how to release it, and a prune that it is held")
    func held() async throws {
        try await withThread { client async throws in
            _ = try await client.send(.put, Self.path, body: #"{"hold":true}"#)
            let deletion = try await client.post("delete-thread", #"{"thread_id":"a/b"}"#)
            #expect(deletion.status == 409 && deletion.body.contains("release it first"))
            let pruned = try await client.post("prune", #"{"thread_ids":["a/b"],"strategy":"delete"}"#)
            #expect(pruned.body.contains(#""kept":3,"held":true"#))
            _ = try await client.send(.put, Self.path, body: "{}")
            #expect(try await client.post("delete-thread", #"{"thread_id":"a/b"}"#).status == 204)
        }
    }
}
