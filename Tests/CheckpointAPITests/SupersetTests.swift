import Checkpoints
import HTTPTypes
import SQLiteStorage
import TestSupport
import Testing

/// What the calls add to the original API, as bytes on the wire.
@Suite("The superset", .timeLimit(.minutes(5)))
struct SupersetTests {
    private func put(_ client: APIClient, _ id: String, thread: String = "t", _ more: String = "") async throws -> Int {
        let document = #"{"v":4,"ts":"\#(id)","channel_versions":{"a":"1"}}"#
        let blob = #"{"channel":"a","version":"1","type":"msgpack","blob":"AQ=="}"#
        let body =
            #"{"thread_id":"\#(thread)","checkpoint_id":"\#(id)","checkpoint":\#(document),"blobs":[\#(blob)]\#(more)}"#
        return try await client.post("put", body).status
    }

    @Test("a put that expects another head is 409 with the head, and changes nothing; its repeat is 200")
    func expectedHead() async throws {
        try await APIClient.run { client in
            #expect(try await put(client, "c1", #","expected_head":null"#) == 200)
            #expect(try await put(client, "c1", #","expected_head":null"#) == 200)
            #expect(try await put(client, "c2", #","expected_head":"c1""#) == 200)
            let body = #"{"thread_id":"t","checkpoint_id":"c3","checkpoint":{},"expected_head":\#("\"c1\"")}"#
            let refused = try await client.post("put", body)
            #expect(refused.status == 409)
            #expect(refused.body.hasSuffix(#","head":"c2"}"#))
            let none = try await client.post("put", body.replacing(#""t""#, with: #""new""#))
            #expect(none.status == 409)
            #expect(none.body.hasSuffix(#","head":null}"#))
            #expect(try await client.post("list", #"{"thread_id":"new"}"#).body == "[]")
            #expect(try await put(client, "c3") == 200)
        }
    }

    @Test("get-tuple and list answer with what include names, in this form")
    func include() async throws {
        try await APIClient.run { client in
            #expect(try await put(client, "c1") == 200)
            let writes = #"{"thread_id":"t","checkpoint_id":"c1","writes":[\#(Self.write)]}"#
            #expect(try await client.post("put-writes", writes).status == 204)
            let blobs = #""blobs":[{"channel":"a","version":"1","type":"msgpack","blob":"AQ=="}]"#
            let write = #""pending_writes":[{"task_id":"x","idx":0,"channel":"a","type":null,"blob":"Ag=="}]"#
            let withPath = write.replacing("}]", with: #","task_path":"p"}]"#)
            func list(_ include: String) async throws -> String {
                try await client.post("list", #"{"thread_id":"t","include":\#(include)}"#).body
            }
            let plain = try await list("null")
            #expect(!plain.contains("blobs") && !plain.contains("pending_writes"))
            #expect(try await list(#"["blobs"]"#) == plain.replacing("{}}]", with: "{},\(blobs)}]"))
            let all = try await list(#"["task_path","parent_sends","pending_writes","blobs"]"#)
            #expect(all == plain.replacing("{}}]", with: #"{},\#(blobs),\#(withPath),"parent_sends":[]}]"#))
            let tuple = try await client.post("get-tuple", #"{"thread_id":"t","include":["task_path"]}"#)
            #expect(tuple.body.contains(withPath))
            #expect(try await client.post("get-tuple", #"{"thread_id":"t"}"#).body.contains(write))
            let refused = try await client.post("list", #"{"thread_id":"t","include":["blobs","x"]}"#)
            #expect(refused.status == 422)
            #expect(refused.body.contains(#""loc":["body","include",1]"#))
            #expect(refused.body.contains(#""type":"literal_error""#))
        }
    }

    private static let write = #"{"task_id":"x","idx":0,"channel":"a","blob":"Ag==","task_path":"p"}"#

    @Test("sends come from the parent of a checkpoint that is older than version 4, and from nowhere else")
    func parentSends() async throws {
        try await APIClient.run { client async throws in
            let checkpoints: [(String, String, Int)] = [("c1", "null", 1), ("c2", "\"c1\"", 3), ("c3", "\"c1\"", 4)]
            for (id, parent, version) in checkpoints {
                let key = #""thread_id":"t","checkpoint_id":"\#(id)","parent_checkpoint_id":\#(parent)"#
                let body = #"{\#(key),"checkpoint":{"v":\#(version)}}"#
                #expect(try await client.post("put", body).status == 200)
            }
            let send = #"{"task_id":"x","idx":0,"channel":"__pregel_tasks","blob":"Ag==","task_path":"p"}"#
            let other = #"{"task_id":"x","idx":1,"channel":"a","blob":"Ag=="}"#
            let body = #"{"thread_id":"t","checkpoint_id":"c1","writes":[\#(send),\#(other)]}"#
            #expect(try await client.post("put-writes", body).status == 204)
            #expect(try await hasSends(client, "c2"))
            #expect(try await !hasSends(client, "c3"))
            #expect(try await !hasSends(client, "c1"))
        }
    }

    private func hasSends(_ client: APIClient, _ id: String) async throws -> Bool {
        let body = #"{"thread_id":"t","checkpoint_id":"\#(id)","include":["parent_sends"]}"#
        let sends = #""parent_sends":[{"task_id":"x","idx":0,"channel":"__pregel_tasks","type":null,"blob":"Ag=="}]"#
        let answer = try await client.post("get-tuple", body).body
        let listed = try await client.post("list", body).body
        #expect(listed.contains(sends) == answer.contains(sends))
        #expect(answer.contains(sends) || answer.contains(#""parent_sends":[]"#))
        return answer.contains(sends)
    }

    @Test("a write's own upsert overrides the request's")
    func upsert() async throws {
        try await APIClient.run { client in
            #expect(try await put(client, "c1") == 200)
            func send(_ blob: String) async throws {
                let regular = #"{"task_id":"x","idx":0,"channel":"a","blob":"\#(blob)","upsert":false}"#
                let special = #"{"task_id":"x","idx":-4,"channel":"b","blob":"\#(blob)","upsert":true}"#
                let other = #"{"task_id":"x","idx":1,"channel":"c","blob":"\#(blob)","upsert":null}"#
                let body = #"{"thread_id":"t","checkpoint_id":"c1","writes":[\#(regular),\#(special),\#(other)]}"#
                #expect(try await client.post("put-writes", body).status == 204)
            }
            try await send("AQ==")
            try await send("Ag==")
            let tuple = try await client.post("get-tuple", #"{"thread_id":"t"}"#).body
            #expect(tuple.contains(#""idx":-4,"channel":"b","type":null,"blob":"Ag==""#))
            #expect(tuple.contains(#""idx":0,"channel":"a","type":null,"blob":"AQ==""#))
            #expect(tuple.contains(#""idx":1,"channel":"c","type":null,"blob":"AQ==""#))
        }
    }

    @Test("writes of two kinds in one request take effect one after the other")
    func mixedKinds() async throws {
        try await APIClient.run { client in
            #expect(try await put(client, "c1") == 200)
            var writes: [String] = []
            for index in 0..<2_000 {
                for (blob, upsert) in [("AQ==", "false"), ("Ag==", "\(index % 2 == 0)"), ("Aw==", "false")] {
                    writes.append(
                        #"{"task_id":"x","idx":\#(index),"channel":"a","blob":"\#(blob)","upsert":\#(upsert),"#
                            + #""task_path":"\#(blob)"}"#
                    )
                }
            }
            let body = #"{"thread_id":"t","checkpoint_id":"c1","writes":[\#(writes.joined(separator: ","))]}"#
            for _ in 0..<2 { #expect(try await client.post("put-writes", body).status == 204) }
            let tuple = try await client.post("get-tuple", #"{"thread_id":"t","include":["task_path"]}"#).body
            let found = tuple.matches(of: /"idx":(\d+),"channel":"a","type":null,"blob":"(A.==)","task_path":"AQ=="/)
            #expect(found.map { String($0.2) } == (0..<2_000).map { $0 % 2 == 0 ? "Ag==" : "AQ==" })
        }
    }

    @Test("pages follow one another by the cursor, whatever is put between them")
    func cursor() async throws {
        try await APIClient.run { client in
            for number in 1...5 { #expect(try await put(client, "c\(number)", thread: "t\(number % 2)") == 200) }
            var ids: [String] = []
            var cursor: String?
            repeat {
                let after = cursor.map { #","after":"\#($0)""# } ?? ""
                let page = try await client.post("list", #"{"across_threads":true,"limit":2\#(after)}"#)
                #expect(page.status == 200)
                ids += page.body.matches(of: /"checkpoint_id":"(c\d)"/).map { String($0.1) }
                cursor = page["x-next-cursor"]
                #expect(try await put(client, "c9\(ids.count)") == 200)
            } while cursor != nil
            #expect(ids == ["c5", "c4", "c3", "c2", "c1"])
            let whole = try await client.post("list", #"{"thread_id":"t1"}"#)
            #expect(whole["x-next-cursor"] == nil)
            for wrong in ["x", "W10", "WyJhIl0", ""] {
                let answer = try await client.post("list", #"{"thread_id":"t1","after":"\#(wrong)"}"#)
                #expect(answer.status == 422, "\(wrong)")
            }
        }
    }

    @Test(
        "without across_threads a list needs a thread, as ever",
        arguments: [
            (#"{}"#, "missing"), (#"{"thread_id":null}"#, "string_type"), (#"{"across_threads":false}"#, "missing"),
            (#"{"thread_id":1,"across_threads":true}"#, "string_type"),
        ])
    func threadRequired(_ body: String, _ type: String) async throws {
        try await APIClient.run { client in
            let answer = try await client.post("list", body)
            #expect(answer.status == 422)
            #expect(answer.body.contains(#""type":"\#(type)","loc":["body","thread_id"]"#))
        }
    }

    @Test("copy-thread copies, refuses a target that is another thread, and may be sent again")
    func copy() async throws {
        try await APIClient.run { client in
            #expect(try await put(client, "c1") == 200)
            let copy = #"{"source_thread_id":"t","target_thread_id":"copy"}"#
            for _ in 0..<2 { #expect(try await client.post("copy-thread", copy).status == 204) }
            let original = try await client.post("get-tuple", #"{"thread_id":"t"}"#).body
            let copied = try await client.post("get-tuple", #"{"thread_id":"copy"}"#).body
            #expect(copied == original.replacing(#""thread_id":"t""#, with: #""thread_id":"copy""#))
            #expect(try await put(client, "c2") == 200)
            let refused = try await client.post("copy-thread", copy)
            #expect(refused.status == 409)
            #expect(refused.body.contains("exists already"))
            let nothing = #"{"source_thread_id":"none","target_thread_id":"empty"}"#
            #expect(try await client.post("copy-thread", nothing).status == 204)
            #expect(try await client.post("get-tuple", #"{"thread_id":"empty"}"#).body == "null")
        }
    }

    @Test("prune and delete-for-runs take lists, and say what went")
    func prune() async throws {
        try await APIClient.run { client in
            for id in ["c1", "c2", "c3"] {
                #expect(try await put(client, id, #","metadata":{"run_id":"r-\#(id)"}"#) == 200)
            }
            let counts = #""checkpoints":2,"writes":0,"blobs":0,"bytes":"#
            for dry in ["true", "false"] {
                let body = #"{"thread_ids":["t","none","t"],"strategy":"keep_latest","dry_run":\#(dry)}"#
                let answer = try await client.post("prune", body)
                #expect(answer.status == 200)
                #expect(answer.body.hasPrefix(#"{"dry_run":\#(dry),\#(counts)"#))
                #expect(answer.body.contains(#""threads":[{"thread_id":"t",\#(counts)"#))
                #expect(
                    answer.body.hasSuffix(
                        #""thread_id":"none","checkpoints":0,"writes":0,"blobs":0,"bytes":0,"kept":0,"held":false}]}"#))
            }
            #expect(try await client.post("get-tuple", #"{"thread_id":"t"}"#).body.contains(#""AQ==""#))
            #expect(try await client.post("delete-for-runs", #"{"run_ids":["r-c1","r-c3"]}"#).status == 204)
            #expect(try await client.post("list", #"{"thread_id":"t"}"#).body == "[]")
            for wrong in [#"{"thread_ids":"t"}"#, #"{"thread_ids":["t"],"strategy":"all"}"#, #"{"thread_ids":[1]}"#] {
                #expect(try await client.post("prune", wrong).status == 422, "\(wrong)")
            }
            #expect(try await client.post("delete-for-runs", #"{"run_ids":"r"}"#).status == 422)
        }
    }

    @Test("delta-channel-history answers with a seed and the writes since")
    func history() async throws {
        try await APIClient.run { client in
            for (id, parent, values) in [("c1", "null", #"{"b":[1]}"#), ("c2", "\"c1\"", "{}"), ("c3", "\"c2\"", "{}")]
            {
                let versions = id == "c1" ? #"{"a":"1"}"# : "{}"
                let blob = #"{"channel":"a","version":"1","type":"msgpack","blob":"AQ=="}"#
                let body = """
                    {"thread_id":"t","checkpoint_id":"\(id)","parent_checkpoint_id":\(parent),"checkpoint":\
                    {"channel_values":\(values),"channel_versions":\(versions)},"blobs":[\(blob)]}
                    """
                #expect(try await client.post("put", body).status == 200)
                let writes = #"{"thread_id":"t","checkpoint_id":"\#(id)","writes":[\#(Self.write)]}"#
                #expect(try await client.post("put-writes", writes).status == 204)
            }
            let answer = try await client.post("delta-channel-history", #"{"thread_id":"t","channels":["a","b","z"]}"#)
            #expect(answer.status == 200)
            let write = #"{"task_id":"x","idx":0,"channel":"a","type":null,"blob":"Ag==","task_path":"p"}"#
            let seed = #"{"blob":{"channel":"a","version":"1","type":"msgpack","blob":"AQ=="}}"#
            #expect(
                answer.body == """
                    {"channels":{"a":{"writes":[\(write),\(write)],"seed":\(seed)},\
                    "b":{"writes":[],"seed":{"value":[1]}},"z":{"writes":[]}}}
                    """
            )
            let many = [String](repeating: #""a""#, count: 1_001).joined(separator: ",")
            let refused = try await client.post("delta-channel-history", #"{"thread_id":"t","channels":[\#(many)]}"#)
            #expect(refused.status == 422 && refused.body.contains(#""type":"too_long","loc":["body","channels"]"#))
            let none = try await client.post("delta-channel-history", #"{"thread_id":"none","channels":["a"]}"#)
            #expect(none.body == #"{"channels":{"a":{"writes":[]}}}"#)
        }
    }

    @Test("threads are listed with their figures, and one of any name is shown")
    func threads() async throws {
        try await APIClient.run { client in
            for thread in ["a", "b/c", "d%41?"] { #expect(try await put(client, "c1", thread: thread) == 200) }
            let figures = #""created":"c1","updated":"c1","checkpoints":1,"writes":0,"blobs":1,"bytes":"#
            let first = try await client.send(.get, "/threads?limit=2")
            #expect(first.body.hasPrefix(#"{"threads":[{"thread_id":"a",\#(figures)"#))
            let next = try #require(first["x-next-cursor"])
            let second = try await client.send(.get, "/threads?limit=2&after=\(next)")
            #expect(second.body.hasPrefix(#"{"threads":[{"thread_id":"d%41?",\#(figures)"#))
            #expect(second["x-next-cursor"] == nil)
            for path in ["b%2Fc", "d%2541%3F"] {
                let answer = try await client.send(.get, "/threads/\(path)?x=1")
                #expect(answer.status == 200)
                #expect(answer.body.contains(#""namespaces":[{"checkpoint_ns":"","head":"c1",\#(figures)"#))
            }
            for path in ["/threads/none", "/threads/b/c", "/threads/", "/threads/a/", "/threads%2Fa", "/threads%3Fx"] {
                #expect(try await client.send(.get, path).status == 404, "\(path)")
            }
            #expect(try await client.send(.post, "/threads", body: "{}").status == 405)
            #expect(try await client.send(.post, "/threads/a", body: "{}").status == 405)
            for query in ["limit=0", "limit=x", "limit=1001", "after=x"] {
                let refused = try await client.send(.get, "/threads?\(query)")
                #expect(refused.status == 422)
                #expect(refused.body.contains(#""loc":["query","#), "\(query)")
            }
        }
    }
}
