import CheckpointAPI
import HTTPTypes
import JSON
import Testing

/// Every refusal, each with its whole answer.
@Suite("Refusals", .timeLimit(.minutes(1)))
struct ValidationTests {
    /// A call, a body, and what `detail` holds.
    struct Refusal: Sendable, CustomTestStringConvertible {
        let call: String
        let body: String
        let detail: String
        var testDescription: String { "\(call) \(body.prefix(100))" }

        init(_ call: String, _ body: String, _ detail: String) {
            self.call = call
            self.body = body
            self.detail = detail
        }
    }

    private func check(_ refusal: Refusal) async throws {
        try await APIClient.run { client in
            let answer = try await client.post(refusal.call, refusal.body)
            #expect(answer.status == 422)
            #expect(answer["content-type"] == "application/json")
            #expect(answer.body == "{\"detail\":[\(refusal.detail)]}")
        }
    }

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
    func malformed(_ refusal: Refusal) async throws { try await check(refusal) }

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
            #"{"type":"model_attributes_type","loc":["body"],"msg":"\#(modelMessage)"}"#),
    ]

    private static let modelMessage = "Input should be a valid dictionary or object to extract fields from"

    private static func model(_ input: String) -> String {
        #"{"type":"model_attributes_type","loc":["body"],"msg":"\#(modelMessage)","input":\#(input)}"#
    }

    @Test("what is not an object", arguments: otherBodies)
    func notObjects(_ refusal: Refusal) async throws { try await check(refusal) }

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
                    == #"{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"\#(Self.modelMessage)"}]}"#
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
        .init("put", #"{"thread_id":"t","checkpoint":{}}"#, missing(#""checkpoint_id""#)),
        .init(
            "put-writes", "{}",
            [#""thread_id""#, #""checkpoint_id""#, #""writes""#].map(missing).joined(separator: ",")),
        .init(
            "list", #"{"thread_id":5}"#, problem("string_type", #""thread_id""#, "Input should be a valid string", "5")),
        .init(
            "list",
            #"{"thread_id":"t","checkpoint_ns":["x"]}"#,
            problem("string_type", #""checkpoint_ns""#, "Input should be a valid string", #"["x"]"#)
        ),
        .init(
            "get-tuple", #"{"thread_id":"t","checkpoint_ns":null}"#,
            problem("string_type", #""checkpoint_ns""#, "Input should be a valid string", "null")),
        .init(
            "put",
            #"{"thread_id":"t","checkpoint_id":"c","checkpoint":[],"metadata":"m"}"#,
            problem("dict_type", #""checkpoint""#, "Input should be a valid dictionary", "[]") + ","
                + problem("dict_type", #""metadata""#, "Input should be a valid dictionary", #""m""#)
        ),
        .init(
            "put",
            #"{"thread_id":"t","checkpoint_id":"c","checkpoint":{"n":[1e400]}}"#,
            #"{"type":"finite_number","loc":["body","checkpoint"],"msg":"Input should be a finite number"}"#
        ),
        .init(
            "list", #"{"thread_id":"t","filter_metadata":1}"#,
            problem("dict_type", #""filter_metadata""#, "Input should be a valid dictionary", "1")),
        .init(
            "put-writes", write(#""writes":{}"#),
            #"{"type":"list_type","loc":["body","writes"],"msg":"Input should be a valid list"}"#),
        .init(
            "put-writes", write(#""writes":"s""#),
            problem("list_type", #""writes""#, "Input should be a valid list", #""s""#)),
        .init(
            "put-writes",
            write(#""writes":[null]"#),
            problem("model_attributes_type", #""writes",0"#, modelMessage, "null")
        ),
    ]

    private static func missing(_ location: String) -> String {
        #"{"type":"missing","loc":["body",\#(location)],"msg":"Field required"}"#
    }

    private static func problem(_ type: String, _ location: String, _ message: String, _ input: String) -> String {
        #"{"type":"\#(type)","loc":["body",\#(location)],"msg":"\#(message)","input":\#(input)}"#
    }

    private static func write(_ members: String) -> String {
        #"{"thread_id":"t","checkpoint_id":"c",\#(members)}"#
    }

    @Test("missing fields and wrong types", arguments: wrongFields)
    func fields(_ refusal: Refusal) async throws { try await check(refusal) }

    @Test("every problem at once, in the order of the declaration, list elements by index")
    func everything() async throws {
        let body = """
            {"blobs":[{"blob":5,"channel":1},7,{"channel":"a","version":"1","type":"t","blob":"!"}],"metadata":"m",\
            "checkpoint":[],"parent_checkpoint_id":2,"checkpoint_id":null,"checkpoint_ns":1,"thread_id":"t"}
            """
        let string = "Input should be a valid string"
        let expected = [
            Self.problem("string_type", #""checkpoint_ns""#, string, "1"),
            Self.problem("string_type", #""checkpoint_id""#, string, "null"),
            Self.problem("string_type", #""parent_checkpoint_id""#, string, "2"),
            Self.problem("dict_type", #""checkpoint""#, "Input should be a valid dictionary", "[]"),
            Self.problem("dict_type", #""metadata""#, "Input should be a valid dictionary", #""m""#),
            Self.problem("string_type", #""blobs",0,"channel""#, string, "1"),
            Self.missing(#""blobs",0,"version""#),
            Self.missing(#""blobs",0,"type""#),
            #"{"type":"string_type","loc":["body","blobs",0,"blob"],"msg":"\#(string)"}"#,
            Self.problem("model_attributes_type", #""blobs",1"#, Self.modelMessage, "7"),
            Self.base64(#""blobs",2,"blob""#),
        ]
        try await check(Refusal("put", body, expected.joined(separator: ",")))
    }

    // MARK: - Numbers and booleans

    private static let integer = "Input should be a valid integer"

    static let wrongIntegers: [(String, String)] = [
        ("null", problem("int_type", idx, integer, "null")), ("[1]", problem("int_type", idx, integer, "[1]")),
        ("1.5", problem("int_from_float", idx, "\(integer), got a number with a fractional part", "1.5")),
        ("\"1.5\"", problem("int_parsing", idx, "\(integer), unable to parse string as an integer", "\"1.5\"")),
        ("\"0x10\"", problem("int_parsing", idx, "\(integer), unable to parse string as an integer", "\"0x10\"")),
        ("\"\"", problem("int_parsing", idx, "\(integer), unable to parse string as an integer", "\"\"")),
        ("NaN", #"{"type":"finite_number","loc":["body",\#(idx)],"msg":"Input should be a finite number"}"#),
        ("-Infinity", #"{"type":"finite_number","loc":["body",\#(idx)],"msg":"Input should be a finite number"}"#),
        (
            "2147483648",
            #"{"type":"less_than_equal","loc":["body",\#(idx)],"msg":"Input should be less than or equal to 2147483647","#
                + #""input":2147483648,"ctx":{"le":2147483647}}"#
        ),
        (
            "-2147483649",
            #"{"type":"greater_than_equal","loc":["body",\#(idx)],"msg":"Input should be greater than or equal to "#
                + #"-2147483648","input":-2147483649,"ctx":{"ge":-2147483648}}"#
        ),
    ]

    private static let idx = #""writes",0,"idx""#

    @Test("an idx that is no 32-bit integer", arguments: wrongIntegers)
    func integers(_ value: String, _ detail: String) async throws {
        let body = Self.write(#""writes":[{"task_id":"k","idx":\#(value),"channel":"c","blob":""}]"#)
        try await check(Refusal("put-writes", body, detail))
    }

    @Test(
        "an idx that lax mode takes",
        arguments: [
            ("true", 1), ("false", 0), ("1.0", 1), ("-0", 0), ("-0.0", 0), ("1e3", 1_000), ("\"1\"", 1), ("\" 1 \"", 1),
            ("\"+1\"", 1), ("\"-1\"", -1), ("\"007\"", 7), ("\"1_000\"", 1_000), ("\"1.0\"", 1),
            ("2147483647", Int(Int32.max)),
            ("-2147483648", Int(Int32.min)),
        ]
    )
    func laxIntegers(_ value: String, _ expected: Int) async throws {
        try await APIClient.run { client in
            let body = Self.write(#""writes":[{"task_id":"k","idx":\#(value),"channel":"c","blob":""}]"#)
            #expect(try await client.post("put-writes", body).status == 204)
            _ = try await client.post("put", Self.write(#""checkpoint":{}"#))
            let answer = try await client.post("get-tuple", #"{"thread_id":"t"}"#)
            #expect(answer.body.contains("\"idx\":\(expected),"))
        }
    }

    @Test("a limit outside 1…1000", arguments: ["0", "-1", "\"0\"", "false"])
    func limitTooSmall(_ value: String) async throws {
        let detail =
            #"{"type":"greater_than_equal","loc":["body","limit"],"msg":"Input should be greater than or equal to 1","#
            + #""input":\#(value),"ctx":{"ge":1}}"#
        try await check(Refusal("list", #"{"thread_id":"t","limit":\#(value)}"#, detail))
    }

    @Test("a limit above 1000", arguments: ["1001", "99999999999999999999"])
    func limitTooLarge(_ value: String) async throws {
        let detail =
            #"{"type":"less_than_equal","loc":["body","limit"],"msg":"Input should be less than or equal to 1000","#
            + #""input":\#(value),"ctx":{"le":1000}}"#
        try await check(Refusal("list", #"{"thread_id":"t","limit":\#(value)}"#, detail))
    }

    @Test(
        "an upsert that is no boolean",
        arguments: [
            ("2", "bool_parsing"), ("\"maybe\"", "bool_parsing"), ("\" true\"", "bool_parsing"), ("1.5", "bool_type"),
            ("null", "bool_type"), ("[]", "bool_type"),
        ]
    )
    func booleans(_ value: String, _ type: String) async throws {
        let message = "Input should be a valid boolean" + (type == "bool_parsing" ? ", unable to interpret input" : "")
        let detail = Self.problem(type, #""upsert""#, message, value)
        try await check(Refusal("put-writes", Self.write(#""writes":[],"upsert":\#(value)"#), detail))
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
        let body = Self.write(#""writes":[{"task_id":"k","idx":0,"channel":"c","blob":"\#(text)"}]"#)
        try await check(Refusal("put-writes", body, Self.base64(#""writes",0,"blob""#)))
    }

    @Test(
        "white space in base64 is skipped, and escapes are read",
        arguments: ["aGk=", "aG k=", "a\\nGk\\r\\n=", "\\u0061Gk=", "  aGk=\\t"])
    func blobsTaken(_ text: String) async throws {
        try await APIClient.run { client in
            let body = Self.write(#""writes":[{"task_id":"k","idx":0,"channel":"c","blob":"\#(text)"}]"#)
            #expect(try await client.post("put-writes", body).status == 204)
            _ = try await client.post("put", Self.write(#""checkpoint":{}"#))
            #expect(try await client.post("get-tuple", #"{"thread_id":"t"}"#).body.contains(#""blob":"aGk=""#))
        }
    }

    @Test("NUL and lone surrogates in an identifier", arguments: ["\\u0000", "a\\u0000b"])
    func nul(_ text: String) async throws {
        let reason = "Identifiers cannot contain NUL characters"
        let detail =
            #"{"type":"value_error","loc":["body","thread_id"],"msg":"Value error, \#(reason)","input":"\#(text)","#
            + #""ctx":{"error":"\#(reason)"}}"#
        try await check(Refusal("list", #"{"thread_id":"\#(text)"}"#, detail))
    }

    @Test("a lone surrogate in an identifier", arguments: ["\\ud800", "a\\udc00b"])
    func surrogates(_ text: String) async throws {
        let message = "Input should be a valid string, unable to parse raw data as a unicode string"
        let detail = Self.problem("string_unicode", #""thread_id""#, message, "\"\(text)\"")
        try await check(Refusal("list", #"{"thread_id":"\#(text)"}"#, detail))
    }

    @Test("identifiers that are too long for a key, named at the longest, and the longest that is taken")
    func keyLength() async throws {
        func detail(_ location: String) -> String {
            #"{"type":"string_too_long","loc":["body",\#(location)],"msg":"The identifiers of a key should have at most 2640 "#
                + #"bytes together","ctx":{"max_length":2640}}"#
        }
        let long = String(repeating: "x", count: 2_640)
        try await check(
            Refusal("put", #"{"thread_id":"\#(long)","checkpoint_id":"c","checkpoint":{}}"#, detail(#""thread_id""#)))
        let writes =
            #""writes":[{"task_id":"k","idx":0,"channel":"c","blob":""},{"task_id":"\#(long)","idx":0,"channel":"c","blob":""}]"#
        try await check(Refusal("put-writes", Self.write(writes), detail(#""writes",1,"task_id""#)))
        let blobs = #""checkpoint":{},"blobs":[{"channel":"a","version":"\#(long)","type":"t"}]"#
        try await check(Refusal("put", Self.write(blobs), detail(#""blobs",0,"version""#)))
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
            let body = Self.write(
                #""writes":[{"task_id":"k","idx":0,"channel":"c","blob":"aGk="},{"task_id":"k","idx":1,"channel":"c","blob":"!"}]"#
            )
            #expect(try await client.post("put-writes", body).status == 422)
            _ = try await client.post("put", Self.write(#""checkpoint":{}"#))
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
            let blob = Self.write(
                #""writes":[{"task_id":"k","idx":0,"channel":"c","blob":["SECRET"]},{"blob":"SECRET"}]"#)
            #expect(try await client.post("put-writes", blob).body.contains("SECRET") == false)
        }
    }

    @Test("an answer names a thousand problems at most")
    func manyProblems() async throws {
        try await APIClient.run { client in
            let list = String(repeating: "0,", count: 5_000) + "0"
            let answer = try await client.post("put-writes", Self.write(#""writes":[\#(list)]"#))
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
