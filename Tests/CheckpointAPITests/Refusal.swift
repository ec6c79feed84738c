import Testing

/// A call, a body that it refuses, and what `detail` then holds.
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

    /// Compares the whole answer.
    func check() async throws {
        try await APIClient.run { client in
            let answer = try await client.post(call, body)
            #expect(answer.status == 422)
            #expect(answer["content-type"] == "application/json")
            #expect(answer.body == "{\"detail\":[\(detail)]}")
        }
    }

    static func missing(_ location: String) -> String {
        #"{"type":"missing","loc":["body",\#(location)],"msg":"Field required"}"#
    }

    static func problem(_ type: String, _ location: String, _ message: String, _ input: String) -> String {
        #"{"type":"\#(type)","loc":["body",\#(location)],"msg":"\#(message)","input":\#(input)}"#
    }

    static func write(_ members: String) -> String {
        #"{"thread_id":"t","checkpoint_id":"c",\#(members)}"#
    }

    static let modelMessage = "Input should be a valid dictionary or object to extract fields from"
}
