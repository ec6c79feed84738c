import CheckpointAPI
import Testing

/// What counts as a whole number or a boolean: pydantic's lax mode.
@Suite("Numbers and booleans", .timeLimit(.minutes(5)))
struct CoercionTests {
    private static let integer = "Input should be a valid integer"

    static let wrongIntegers: [(String, String)] = [
        ("null", Refusal.problem("int_type", idx, integer, "null")),
        ("[1]", Refusal.problem("int_type", idx, integer, "[1]")),
        ("1.5", Refusal.problem("int_from_float", idx, "\(integer), got a number with a fractional part", "1.5")),
        ("\"1.5\"", Refusal.problem("int_parsing", idx, "\(integer), unable to parse string as an integer", "\"1.5\"")),
        (
            "\"0x10\"",
            Refusal.problem("int_parsing", idx, "\(integer), unable to parse string as an integer", "\"0x10\"")
        ),
        ("\"\"", Refusal.problem("int_parsing", idx, "\(integer), unable to parse string as an integer", "\"\"")),
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
        let body = Refusal.write(#""writes":[{"task_id":"k","idx":\#(value),"channel":"c","blob":""}]"#)
        try await Refusal("put-writes", body, detail).check()
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
            let body = Refusal.write(#""writes":[{"task_id":"k","idx":\#(value),"channel":"c","blob":""}]"#)
            #expect(try await client.post("put-writes", body).status == 204)
            _ = try await client.post("put", Refusal.write(#""checkpoint":{}"#))
            let answer = try await client.post("get-tuple", #"{"thread_id":"t"}"#)
            #expect(answer.body.contains("\"idx\":\(expected),"))
        }
    }

    @Test("a limit outside 1…1000", arguments: ["0", "-1", "\"0\"", "false"])
    func limitTooSmall(_ value: String) async throws {
        let detail =
            #"{"type":"greater_than_equal","loc":["body","limit"],"msg":"Input should be greater than or equal to 1","#
            + #""input":\#(value),"ctx":{"ge":1}}"#
        try await Refusal("list", #"{"thread_id":"t","limit":\#(value)}"#, detail).check()
    }

    @Test("a limit above 1000", arguments: ["1001", "99999999999999999999"])
    func limitTooLarge(_ value: String) async throws {
        let detail =
            #"{"type":"less_than_equal","loc":["body","limit"],"msg":"Input should be less than or equal to 1000","#
            + #""input":\#(value),"ctx":{"le":1000}}"#
        try await Refusal("list", #"{"thread_id":"t","limit":\#(value)}"#, detail).check()
    }

    @Test(
        "an upsert that is no boolean",
        arguments: [
            ("2", "bool_parsing"), ("1e2", "bool_parsing"), ("9223372036854775808", "bool_type"), ("1e19", "bool_type"),
            ("\"maybe\"", "bool_parsing"), ("\" true\"", "bool_parsing"), ("1.5", "bool_type"),
            ("null", "bool_type"), ("[]", "bool_type"),
        ]
    )
    func booleans(_ value: String, _ type: String) async throws {
        let message = "Input should be a valid boolean" + (type == "bool_parsing" ? ", unable to interpret input" : "")
        let detail = Refusal.problem(type, #""upsert""#, message, value)
        try await Refusal("put-writes", Refusal.write(#""writes":[],"upsert":\#(value)"#), detail).check()
    }
}
