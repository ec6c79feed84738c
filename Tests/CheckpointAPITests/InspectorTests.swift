import Checkpoints
import Crypto
import Foundation
import HTTPTypes
import TestSupport
import Testing

/// The page of the inspector, and what it asks for, as bytes on the wire.
@Suite("The inspector", .timeLimit(.minutes(5)))
struct InspectorTests {
    @Test("the page comes with a policy that names its own script and style, and nothing else")
    func page() async throws {
        try await APIClient.run { client in
            let page = try await client.send(.get, "/inspector")
            #expect(page.status == 200)
            #expect(page["content-type"] == "text/html; charset=utf-8")
            #expect(page.body.hasPrefix("<!doctype html>"))
            let policy = try #require(page["content-security-policy"])
            for (start, end) in [("<script type=\"module\">", "</script>"), ("<style>", "</style>")] {
                let parts = page.body.components(separatedBy: start)
                #expect(parts.count == 2, "one \(start)")
                let content = try #require(parts.last?.components(separatedBy: end).first)
                let digest = Data(SHA256.hash(data: Data(content.utf8))).base64EncodedString()
                #expect(policy.contains("'sha256-\(digest)'"))
            }
            let directives = Set(policy.components(separatedBy: "; ").map { $0.components(separatedBy: " ")[0] })
            #expect(
                directives == [
                    "default-src", "script-src", "style-src", "img-src", "connect-src", "base-uri", "form-action",
                    "frame-ancestors", "require-trusted-types-for",
                ])
            #expect(policy.hasPrefix("default-src 'none'; ") && !policy.contains("unsafe") && !policy.contains("*"))
            #expect(page["x-content-type-options"] == "nosniff")
            #expect(page["referrer-policy"] == "no-referrer")
        }
    }

    @Test("who has the page is told so")
    func unchanged() async throws {
        try await APIClient.run { client in
            let tag = try #require(try await client.send(.get, "/inspector")["etag"])
            let again = try await client.send(.get, "/inspector", headers: [.ifNoneMatch: tag])
            #expect(again.status == 304 && again.body.isEmpty)
            #expect(try await client.send(.get, "/inspector", headers: [.ifNoneMatch: "\"x\""]).status == 200)
        }
    }

    @Test("a server without it has neither the page nor its calls, and says nothing of them")
    func off() async throws {
        try await APIClient.run(hasInspector: false) { client async throws in
            #expect(try await client.send(.get, "/inspector").status == 404)
            #expect(try await client.send(.get, "/inspector/caller").status == 404)
            #expect(try await client.inspect("history", #"{"thread_id":"t"}"#).status == 404)
            let document = try await client.send(.get, "/openapi.json").body
            #expect(!document.contains("inspector"))
        }
    }

    @Test("a server without authentication says that everybody may do everything")
    func caller() async throws {
        try await APIClient.run { client in
            let answer = try await client.send(.get, "/inspector/caller")
            #expect(answer["cache-control"] == "no-store" && answer["x-content-type-options"] == "nosniff")
            let scopes = #""scopes":["read","write","delete","admin","inspect"]"#
            #expect(
                answer.body.hasSuffix(
                    #""authentication":false,"name":"local","tenant":"",\#(scopes),"thread_prefix":""}"#))
        }
    }

    @Test("a row has what ran, what runs next, and what waits")
    func rows() async throws {
        try await APIClient.run { client in
            try await client.putRun()
            let body = try await client.inspect("history", #"{"thread_id":"t"}"#).body
            let second =
                #"{"checkpoint_ns":"","checkpoint_id":"c2","parent_checkpoint_id":"c1","caller_checkpoint_id":null,"ts":"T2","step":0,"source":"loop","#
                + #""run_id":"r","nodes":["a"],"next":["b"],"writes":2,"interrupts":1,"errors":0,"resumed":true}"#
            let first =
                #"{"checkpoint_ns":"","checkpoint_id":"c1","parent_checkpoint_id":null,"caller_checkpoint_id":null,"ts":"T1","step":-1,"source":"input","#
                + #""run_id":null,"nodes":[],"next":["__start__"],"writes":0,"interrupts":0,"errors":0,"resumed":false}"#
            #expect(body == #"{"checkpoints":[\#(second),\#(first)]}"#)
        }
    }

    @Test("what was sent runs next; a subgraph names the checkpoint that called it")
    func sends() async throws {
        try await APIClient.run { client in
            let first = #"{"thread_id":"t","checkpoint_id":"c1","checkpoint":{}}"#
            #expect(try await client.post("put", first).status == 200)
            // What LangGraph's serde makes of Send("n", 1).
            let send = "xxoBk69sYW5nZ3JhcGgudHlwZXOkU2VuZJKhbgE="
            let write = #"{"task_id":"k","idx":0,"channel":"__pregel_tasks","type":"msgpack","blob":"\#(send)"}"#
            let writes = #"{"thread_id":"t","checkpoint_id":"c1","writes":[\#(write)]}"#
            #expect(try await client.post("put-writes", writes).status == 204)
            let second = #"{"thread_id":"t","checkpoint_id":"c2","parent_checkpoint_id":"c1","checkpoint":{}}"#
            #expect(try await client.post("put", second).status == 200)
            let task = write.replacing("__pregel_tasks", with: "a").replacing(
                "}", with: #","task_path":"~__pregel_push, 0000000000, 0000000000"}"#)
            let sent = #"{"thread_id":"t","checkpoint_id":"c2","writes":[\#(task)]}"#
            #expect(try await client.post("put-writes", sent).status == 204)
            let shown = try await client.inspect("checkpoint", #"{"thread_id":"t","checkpoint_id":"c2"}"#).body
            #expect(shown.contains(#""node":"n","idx":0,"channel":"a""#))
            let inner =
                #"{"thread_id":"t","checkpoint_id":"c3","checkpoint_ns":"a:1|b:2","checkpoint":{},"#
                + #""metadata":{"parents":{"":"c2","a:1":"c9"}}}"#
            #expect(try await client.post("put", inner).status == 200)
            for limit in [1_000, 1] {
                var rows: [String] = []
                var after = "null"
                repeat {
                    let body = #"{"thread_id":"t","limit":\#(limit),"after":\#(after)}"#
                    let page = try await client.inspect("history", body)
                    rows += page.body.components(separatedBy: "},{")
                    after = page["x-next-cursor"].map { "\"\($0)\"" } ?? "null"
                } while after != "null"
                #expect(rows.first?.contains(#""caller_checkpoint_id":"c9""#) == true)
                #expect(rows.contains { $0.contains(#""checkpoint_id":"c2""#) && $0.contains(#""next":["n"]"#) })
            }
        }
    }

    @Test("what ran is known also where the parent is on another page")
    func pages() async throws {
        try await APIClient.run { client in
            try await client.putRun()
            let page = try await client.inspect("history", #"{"thread_id":"t","limit":1}"#)
            #expect(page.body.contains(#""checkpoint_id":"c2""#) && page.body.contains(#""nodes":["a"]"#))
            let next = try #require(page["x-next-cursor"])
            let rest = try await client.inspect("history", #"{"thread_id":"t","limit":1,"after":"\#(next)"}"#)
            #expect(rest.body.contains(#""checkpoint_id":"c1""#) && !rest.body.contains("c2"))
        }
    }

    @Test("a checkpoint has its channels decoded, its writes, and its exact text")
    func checkpoint() async throws {
        try await APIClient.run { client in
            try await client.putRun()
            let body = try await client.inspect("checkpoint", #"{"thread_id":"t","checkpoint_id":"c2"}"#).body
            for part in [
                #"{"channel":"n","version":"2","type":"inline","bytes":4,"is_inner":false,"is_changed":true,"value":1.50}"#,
                #"{"channel":"x","version":"1","type":"msgpack","bytes":3,"is_inner":false,"is_changed":false,"value":[1,2]}"#,
                #"{"channel":"gone","version":"2","type":null,"bytes":0,"is_inner":false,"is_changed":true,"value":null}"#,
                #"{"task_id":"k","task_path":"~__pregel_pull, b","node":"b","idx":-3,"channel":"__interrupt__","#
                    + #""type":"msgpack","bytes":1,"value":7}"#,
                #""document":{"bytes":"#, #"\"n\":1.50,"#, #""metadata_text":"{\"source\":\"loop\",\"step\":0,"#,
            ] { #expect(body.contains(part), "\(part) in \(body)") }
            #expect(try await client.inspect("checkpoint", #"{"thread_id":"t","checkpoint_id":"c9"}"#).body == "null")
            #expect(try await client.inspect("checkpoint", #"{"thread_id":"u"}"#).body == "null")
        }
    }

    @Test("a difference is that from the parent, or from the checkpoint named")
    func difference() async throws {
        try await APIClient.run { client in
            try await client.putRun()
            let parent = try await client.inspect("difference", #"{"thread_id":"t","checkpoint_id":"c2"}"#).body
            #expect(parent.hasPrefix(#"{"from":"c1","to":"c2","has_content":true,"same":1,"state":["#))
            #expect(parent.contains(#"{"path":"n","change":"changed","before":1,"after":1.50}"#))
            #expect(parent.contains(#"{"path":"branch:to:b","change":"added","after":null}"#))
            #expect(parent.contains(#"{"path":"step","change":"changed","before":-1,"after":0}"#))
            let first = try await client.inspect("difference", #"{"thread_id":"t","checkpoint_id":"c1"}"#).body
            #expect(
                first.hasPrefix(
                    #"{"from":null,"to":"c1","has_content":true,"same":0,"state":[{"path":"n","change":"added""#))
            let back = #"{"thread_id":"t","checkpoint_id":"c1","from_checkpoint_id":"c2"}"#
            #expect(try await client.inspect("difference", back).body.contains(#""before":1.50,"after":1}"#))
            let none = #"{"thread_id":"t","checkpoint_id":"c1","from_checkpoint_id":"c9"}"#
            #expect(try await client.inspect("difference", none).body == "null")
        }
    }

    @Test("a channel that is kept as its writes shows them, and what they begin with")
    func delta() async throws {
        try await APIClient.run { client in
            for (id, parent) in [("d1", "null"), ("d2", #""d1""#), ("d3", #""d2""#)] {
                let blobs =
                    id == "d1" ? #","blobs":[{"channel":"d","version":"1","type":"msgpack","blob":"AQ=="}]"# : ""
                let version = id.dropFirst()
                let document = #"{"v":4,"channel_versions":{"d":"\#(version)"}}"#
                let body =
                    #"{"thread_id":"t","checkpoint_id":"\#(id)","parent_checkpoint_id":\#(parent),"checkpoint":\#(document)\#(blobs)}"#
                #expect(try await client.post("put", body).status == 200)
                let write = #"{"task_id":"k","idx":0,"channel":"d","type":"msgpack","blob":"Ag=="}"#
                let writes = #"{"thread_id":"t","checkpoint_id":"\#(id)","writes":[\#(write)]}"#
                #expect(try await client.post("put-writes", writes).status == 204)
            }
            let shown = try await client.inspect("checkpoint", #"{"thread_id":"t"}"#).body
            let value = #""value":{"$type":"delta channel","seed":1,"writes":[2,2]}"#
            #expect(shown.contains(#""type":"delta","bytes":3,"is_inner":false,"is_changed":true,\#(value)"#))
        }
    }
}

extension APIClient {
    fileprivate func inspect(_ call: String, _ body: String) async throws -> Answer {
        try await send(.post, "/inspector/" + call, body: body)
    }

    /// Two checkpoints: node `a` ran, and node `b` has asked something and been answered.
    fileprivate func putRun() async throws {
        let first =
            #"{"v":4,"ts":"T1","channel_values":{"n":1},"channel_versions":{"n":"1","x":"1"},"versions_seen":{}}"#
        let second =
            #"{"v":4,"ts":"T2","channel_values":{"n":1.50,"branch:to:b":null},"#
            + #""channel_versions":{"n":"2","x":"1","gone":"2","branch:to:b":"2"},"versions_seen":{"a":{"n":"1"}}}"#
        let blobs = #""blobs":[{"channel":"x","version":"1","type":"msgpack","blob":"kgEC"}]"#
        let empty =
            #""blobs":[{"channel":"gone","version":"2","type":"empty","blob":null},"#
            + #"{"channel":"n","version":"2","type":"empty","blob":""}]"#
        let puts = [
            #"{"thread_id":"t","checkpoint_id":"c1","checkpoint":\#(first),"metadata":{"source":"input","step":-1},\#(blobs)}"#,
            #"{"thread_id":"t","checkpoint_id":"c2","parent_checkpoint_id":"c1","checkpoint":\#(second),"#
                + #""metadata":{"source":"loop","step":0,"run_id":"r"},\#(empty)}"#,
        ]
        for put in puts { #expect(try await post("put", put).status == 200) }
        func write(_ index: Int, _ channel: String) -> String {
            #"{"task_id":"k","idx":\#(index),"channel":"\#(channel)","type":"msgpack","blob":"Bw==","task_path":"~__pregel_pull, b"}"#
        }
        let writes = "[\(write(-3, "__interrupt__")),\(write(-4, "__resume__"))]"
        let body = #"{"thread_id":"t","checkpoint_id":"c2","writes":\#(writes)}"#
        #expect(try await post("put-writes", body).status == 204)
    }
}
