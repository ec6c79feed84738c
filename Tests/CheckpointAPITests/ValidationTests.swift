import CheckpointAPI
import HTTPTypes
import JSON
import Testing

/// Every refusal, each with its whole answer.
@Suite("Refusals", .timeLimit(.minutes(5)))
struct ValidationTests {
    // MARK: - JSON

    static let malformedBodies: [Refusal] = [
        .init("list", "", json(0, "Expecting value")),
        .init("list", "   ", json(3, "Expecting value")),
        .init("list", #"{"thread_id":"t"#, json(13, "Unterminated string starting at")),
        .init("list", #"{"thread_id":"t",}"#, json(17, "Expecting property name enclosed in double quotes")),
        .init("list", #"{"thread_id" "t"}"#, json(13, "Expecting ':' delimiter")),
        .init("list", #"{"thread_id":"é😀" "x":1}"#, json(18, "Expecting ',' delimiter")),
        .init("list", #"{"thread_id":"t"} x"#, json(18, "Extra data")),
        .init("list", "{\"thread_id\":\"a\nb\"}", json(15, "Invalid control character at")),
        .init("list", #"{"thread_id":"\q"}"#, json(14, "Invalid \\\\escape")),
        .init("list", #"{"thread_id":"t","x":NaN}"#, json(21, "Expecting value")),
        .init("list", #"{"thread_id":"t","x":-Infinity}"#, json(21, "Expecting value")),
        .init(
            "put", #"{"thread_id":"t","checkpoint_id":"c","checkpoint":{"a":Infinity}}"#, json(55, "Expecting value")),
    ]

    private static func json(_ offset: Int, _ reason: String) -> String {
        #"{"type":"json_invalid","loc":["body",\#(offset)],"msg":"JSON decode error","input":{},"ctx":{"error":"\#(reason)"}}"#
    }

    @Test("what is not JSON", arguments: malformedBodies)
    func malformed(_ refusal: Refusal) async throws { try await refusal.check() }

    @Test("a body nested too deeply, and the deepest that is taken")
    func depth() async throws {
        @Sendable func body(_ levels: Int) -> String {
            let nested = String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
            return "{\"thread_id\":\"t\",\"checkpoint_id\":\"c\",\"checkpoint\":{\"d\":\(nested)}}"
        }
        try await APIClient.run { client in
            #expect(try await client.post("put", body(1_000)).status == 200)
            let answer = try await client.post("put", body(1_001))
            #expect(answer.status == 422)
            #expect(
                answer.body.hasPrefix(
                    #"{"detail":[{"type":"json_invalid","loc":["body",1055],"msg":"JSON decode error""#))
            #expect(try await client.post("put", body(100_000)).status == 422)
        }
    }

    @Test("bytes that are not UTF-8")
    func invalidUTF8() async throws {
        // Through the schema itself: a `String` cannot hold them.
        for bytes: [UInt8] in [[0xFF], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xE2, 0x82]] {
            let body = Array(#"{"thread_id":"t"#.utf8) + bytes + Array("\"}".utf8)
            #expect(throws: JSONError.self) { try JSONValue(parsing: body) }
        }
    }

    // MARK: - The body as a whole

    static let otherBodies: [Refusal] = [
        .init("list", "[]", model("[]")), .init("list", "null", model("null")), .init("list", "\"x\"", model("\"x\"")),
        .init("delete-thread", "1.50", model("1.50")), .init("put-writes", "true", model("true")),
        // A list may hold blobs: it is not repeated.
        .init(
            "put-writes", #"[{"blob":"aGk="}]"#,
            #"{"type":"model_attributes_type","loc":["body"],"msg":"\#(Refusal.modelMessage)"}"#),
    ]

    private static func model(_ input: String) -> String {
        #"{"type":"model_attributes_type","loc":["body"],"msg":"\#(Refusal.modelMessage)","input":\#(input)}"#
    }

    @Test("what is not an object", arguments: otherBodies)
    func notObjects(_ refusal: Refusal) async throws { try await refusal.check() }

    @Test(
        "another content type, or none",
        arguments: [nil, "text/plain", "text/json", "application/octet-stream", "json", "*/*", "application/jsonx", ""]
    )
    func contentTypes(_ type: String?) async throws {
        try await APIClient.run { client in
            let headers: HTTPFields = type.map { [.contentType: $0] } ?? [:]
            let answer = try await client.send(
                .post, "/checkpoints/list", headers: headers, body: #"{"thread_id":"t"}"#)
            #expect(answer.status == 422)
            #expect(
                answer.body
                    == #"{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"\#(Refusal.modelMessage)"}]}"#
            )
        }
    }

    @Test(
        "JSON by any of its names is taken",
        arguments: [
            "application/json", "application/json; charset=utf-8", "Application/JSON", "application/json ",
            "application/vnd.api+json", "application/problem+json; x=y",
        ]
    )
    func jsonContentTypes(_ type: String) async throws {
        try await APIClient.run { client in
            let answer = try await client.send(
                .post,
                "/checkpoints/list",
                headers: [.contentType: type],
                body: #"{"thread_id":"t"}"#
            )
            #expect(answer.status == 200)
        }
    }

    // MARK: - Fields

    static let wrongFields: [Refusal] = [
        .init("list", "{}", #"{"type":"missing","loc":["body","thread_id"],"msg":"Field required","input":{}}"#),
        .init(
            "get-tuple",
            #"{"x":1}"#,
            #"{"type":"missing","loc":["body","thread_id"],"msg":"Field required","input":{"x":1}}"#
        ),
        .init("put", #"{"thread_id":"t","checkpoint":{}}"#, Refusal.missing(#""checkpoint_id""#)),
        .init(
            "put-writes", "{}",
            [#""thread_id""#, #""checkpoint_id""#, #""writes""#].map(Refusal.missing).joined(separator: ",")),
        .init(
            "list", #"{"thread_id":5}"#,
            Refusal.problem("string_type", #""thread_id""#, "Input should be a valid string", "5")),
        .init(
            "list",
            #"{"thread_id":"t","checkpoint_ns":["x"]}"#,
            Refusal.problem("string_type", #""checkpoint_ns""#, "Input should be a valid string", #"["x"]"#)
        ),
        .init(
            "get-tuple", #"{"thread_id":"t","checkpoint_ns":null}"#,
            Refusal.problem("string_type", #""checkpoint_ns""#, "Input should be a valid string", "null")),
        .init(
            "put",
            #"{"thread_id":"t","checkpoint_id":"c","checkpoint":[],"metadata":"m"}"#,
            Refusal.problem("dict_type", #""checkpoint""#, "Input should be a valid dictionary", "[]") + ","
                + Refusal.problem("dict_type", #""metadata""#, "Input should be a valid dictionary", #""m""#)
        ),
        .init(
            "put",
            #"{"thread_id":"t","checkpoint_id":"c","checkpoint":{"n":[1e400]}}"#,
            #"{"type":"finite_number","loc":["body","checkpoint"],"msg":"Input should be a finite number"}"#
        ),
        .init(
            "list", #"{"thread_id":"t","filter_metadata":1}"#,
            Refusal.problem("dict_type", #""filter_metadata""#, "Input should be a valid dictionary", "1")),
        .init(
            "put-writes", Refusal.write(#""writes":{}"#),
            #"{"type":"list_type","loc":["body","writes"],"msg":"Input should be a valid list"}"#),
        .init(
            "put-writes", Refusal.write(#""writes":"s""#),
            Refusal.problem("list_type", #""writes""#, "Input should be a valid list", #""s""#)),
        .init(
            "put-writes",
            Refusal.write(#""writes":[null]"#),
            Refusal.problem("model_attributes_type", #""writes",0"#, Refusal.modelMessage, "null")
        ),
    ]

    @Test("missing fields and wrong types", arguments: wrongFields)
    func fields(_ refusal: Refusal) async throws { try await refusal.check() }

    @Test("every problem at once, in the order of the declaration, list elements by index")
    func everything() async throws {
        let body = """
            {"blobs":[{"blob":5,"channel":1},7,{"channel":"a","version":"1","type":"t","blob":"!"}],"metadata":"m",\
            "checkpoint":[],"parent_checkpoint_id":2,"checkpoint_id":null,"checkpoint_ns":1,"thread_id":"t"}
            """
        let string = "Input should be a valid string"
        let expected = [
            Refusal.problem("string_type", #""checkpoint_ns""#, string, "1"),
            Refusal.problem("string_type", #""checkpoint_id""#, string, "null"),
            Refusal.problem("string_type", #""parent_checkpoint_id""#, string, "2"),
            Refusal.problem("dict_type", #""checkpoint""#, "Input should be a valid dictionary", "[]"),
            Refusal.problem("dict_type", #""metadata""#, "Input should be a valid dictionary", #""m""#),
            Refusal.problem("string_type", #""blobs",0,"channel""#, string, "1"),
            Refusal.missing(#""blobs",0,"version""#),
            Refusal.missing(#""blobs",0,"type""#),
            #"{"type":"string_type","loc":["body","blobs",0,"blob"],"msg":"\#(string)"}"#,
            Refusal.problem("model_attributes_type", #""blobs",1"#, Refusal.modelMessage, "7"),
            Self.base64(#""blobs",2,"blob""#),
        ]
        try await Refusal("put", body, expected.joined(separator: ",")).check()
    }

    // MARK: - What is stored

    private static func base64(_ location: String) -> String {
        let reason = "Blobs are base64 as in RFC 4648 section 4, with padding"
        return
            #"{"type":"value_error","loc":["body",\#(location)],"msg":"Value error, \#(reason)","ctx":{"error":"\#(reason)"}}"#
    }

    @Test(
        "base64 that is not canonical",
        arguments: ["a", "aG", "aGk", "aGk==", "=", "-_-_", "aGVsbG8=x", "Zh==", "!!!!", "é"])
    func blobs(_ text: String) async throws {
        let body = Refusal.write(#""writes":[{"task_id":"k","idx":0,"channel":"c","blob":"\#(text)"}]"#)
        try await Refusal("put-writes", body, Self.base64(#""writes",0,"blob""#)).check()
    }

    @Test(
        "white space in base64 is skipped, and escapes are read",
        arguments: ["aGk=", "aG k=", "a\\nGk\\r\\n=", "\\u0061Gk=", "  aGk=\\t"])
    func blobsTaken(_ text: String) async throws {
        try await APIClient.run { client in
            let body = Refusal.write(#""writes":[{"task_id":"k","idx":0,"channel":"c","blob":"\#(text)"}]"#)
            #expect(try await client.post("put-writes", body).status == 204)
            _ = try await client.post("put", Refusal.write(#""checkpoint":{}"#))
            #expect(try await client.post("get-tuple", #"{"thread_id":"t"}"#).body.contains(#""blob":"aGk=""#))
        }
    }

    @Test("NUL and lone surrogates in an identifier", arguments: ["\\u0000", "a\\u0000b"])
    func nul(_ text: String) async throws {
        let reason = "Identifiers cannot contain NUL characters"
        let detail =
            #"{"type":"value_error","loc":["body","thread_id"],"msg":"Value error, \#(reason)","input":"\#(text)","#
            + #""ctx":{"error":"\#(reason)"}}"#
        try await Refusal("list", #"{"thread_id":"\#(text)"}"#, detail).check()
    }

    @Test("a lone surrogate in an identifier", arguments: ["\\ud800", "a\\udc00b"])
    func surrogates(_ text: String) async throws {
        let message = "Input should be a valid string, unable to parse raw data as a unicode string"
        let detail = Refusal.problem("string_unicode", #""thread_id""#, message, "\"\(text)\"")
        try await Refusal("list", #"{"thread_id":"\#(text)"}"#, detail).check()
    }

    @Test("identifiers that are too long for a key, named at the longest, and the longest that is taken")
    func keyLength() async throws {
        func detail(_ location: String) -> String {
            #"{"type":"string_too_long","loc":["body",\#(location)],"msg":"The identifiers of a key should have at most 2640 "#
                + #"bytes together","ctx":{"max_length":2640}}"#
        }
        let long = String(repeating: "x", count: 2_640)
        try await Refusal(
            "put", #"{"thread_id":"\#(long)","checkpoint_id":"c","checkpoint":{}}"#, detail(#""thread_id""#)
        ).check()
        let writes =
            #""writes":[{"task_id":"k","idx":0,"channel":"c","blob":""},{"task_id":"\#(long)","idx":0,"channel":"c","blob":""}]"#
        try await Refusal("put-writes", Refusal.write(writes), detail(#""writes",1,"task_id""#)).check()
        let blobs = #""checkpoint":{},"blobs":[{"channel":"a","version":"\#(long)","type":"t"}]"#
        try await Refusal("put", Refusal.write(blobs), detail(#""blobs",0,"version""#)).check()
        try await APIClient.run { client in
            let longest = #"{"thread_id":"\#(long.dropLast())","checkpoint_id":"c","checkpoint":{}}"#
            let taken = try await client.post("put", longest)
            #expect(taken.status == 200)
            let read = try await client.post("get-tuple", #"{"thread_id":"\#(long)\#(long)"}"#)
            #expect(read.body == "null")
            let deleted = try await client.post("delete-thread", #"{"thread_id":"\#(long)\#(long)"}"#)
            #expect(deleted.status == 204)
            let unindexed = #"{"thread_id":"t","checkpoint_id":"c","parent_checkpoint_id":"\#(long)x","checkpoint":{}}"#
            let parent = try await client.post("put", unindexed)
            #expect(parent.status == 200)
        }
    }

    @Test("a refused body changes nothing, also what came before the problem in it")
    func atomic() async throws {
        try await APIClient.run { client in
            let body = Refusal.write(
                #""writes":[{"task_id":"k","idx":0,"channel":"c","blob":"aGk="},{"task_id":"k","idx":1,"channel":"c","blob":"!"}]"#
            )
            #expect(try await client.post("put-writes", body).status == 422)
            _ = try await client.post("put", Refusal.write(#""checkpoint":{}"#))
            #expect(try await client.post("get-tuple", #"{"thread_id":"t"}"#).body.hasSuffix(#""pending_writes":[]}"#))
        }
    }

    @Test("a large value, and anything that may be a blob, is not repeated")
    func inputs() async throws {
        let long = String(repeating: "x", count: 255)
        try await APIClient.run { client in
            let answer = try await client.post("list", #"{"thread_id":["\#(long)"]}"#)
            #expect(
                answer.body
                    == #"{"detail":[{"type":"string_type","loc":["body","thread_id"],"msg":"Input should be a valid string"}]}"#
            )
            let blob = Refusal.write(
                #""writes":[{"task_id":"k","idx":0,"channel":"c","blob":["SECRET"]},{"blob":"SECRET"}]"#)
            #expect(try await client.post("put-writes", blob).body.contains("SECRET") == false)
        }
    }

    @Test("an answer names a thousand problems at most")
    func manyProblems() async throws {
        try await APIClient.run { client in
            let list = String(repeating: "0,", count: 5_000) + "0"
            let answer = try await client.post("put-writes", Refusal.write(#""writes":[\#(list)]"#))
            #expect(answer.status == 422)
            let value = try JSONValue(parsing: Array(answer.body.utf8))
            guard case .array(let problems)? = value["detail"] else {
                Issue.record("no list of problems")
                return
            }
            #expect(problems.count == 1_000)
        }
    }
}
