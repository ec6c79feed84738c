import Authentication
import Checkpoints
import HTTPTypes
import JSON
import Testing

@Suite("What an Agentex provider lets a caller do to a thread", .timeLimit(.minutes(5)))
struct AgentexAuthorizerTests {
    private typealias Answer = StubProvider.Answer

    private static let principal = JSONText(trusted: Array(#" {"user_id" : "u1", "n":1.0,"x":"\"}\u0000 é"} "#.utf8))

    /// The answers by operation; asked for once each in that order.
    private func check(
        _ operation: ThreadOperation,
        thread: Identifier = "t-1",
        _ answers: [(ThreadOperation, Int, String)]
    ) async throws -> ThreadDecision {
        var decision: ThreadDecision?
        try await AgentexProvider.withStub { call in
            let (_, status, body) = try #require(answers.first { call.body.hasSuffix("\"operation\":\"\($0.0)\"}") })
            return .init(status, body)
        } _: { provider, stub in
            decision = await AgentexAuthorizer(provider: provider).check(Self.principal, thread: thread, operation)
            let asked = stub.calls.map { call in ThreadOperation.allCases.first { call.body.contains("\"\($0)\"}") } }
            #expect(asked == answers.map(\.0))
        }
        return try #require(decision)
    }

    private func refusal(_ status: Int, _ message: String) -> ThreadDecision {
        .refused(ThreadRefusal(status: status, message: message))
    }

    @Test(
        "The provider is sent the principal word for word, the thread and the operation, and no header of the caller's")
    func question() async throws {
        try await AgentexProvider.withStub { _ in
            .init()
        } _: { provider, stub in
            let authorizer = AgentexAuthorizer(provider: provider)
            for operation in ThreadOperation.allCases {
                #expect(await authorizer.check(Self.principal, thread: "t-1", operation) == .allowed)
            }
            #expect(stub.calls.map(\.method) == ["POST", "POST", "POST"])
            #expect(stub.calls.allSatisfy { $0.path == "/v1/authz/check" })
            let principal = String(decoding: Self.principal.bytes, as: UTF8.self)
            #expect(
                stub.calls.map(\.body)
                    == ["read", "update", "delete"].map { operation in
                        "{\"principal\":\(principal),\"resource\":{\"type\":\"task\",\"selector\":\"t-1\"},"
                            + "\"operation\":\"\(operation)\"}"
                    }
            )
            for call in stub.calls {
                #expect(call["content-type"] == "application/json")
                let names = Set(call.headers.map { $0.name.lowercased() })
                #expect(names == ["content-type", "content-length", "accept-encoding"])
            }
        }
    }

    @Test("200 with JSON is a yes, whatever it says", arguments: ["{}", #"{"success":false}"#, "null", " [] ", "0"])
    func allowed(_ body: String) async throws {
        for operation in ThreadOperation.allCases {
            #expect(try await check(operation, [(operation, 200, body)]) == .allowed)
        }
    }

    @Test("200 without JSON is 500", arguments: ["", "OK", "{", "<html>"])
    func unparsable(_ body: String) async throws {
        for operation in ThreadOperation.allCases {
            let decision = try await check(operation, [(operation, 200, body)])
            #expect(decision == refusal(500, "Failed to parse response"))
        }
    }

    @Test("A denied read is a thread that does not exist")
    func deniedRead() async throws {
        let decision = try await check(.read, [(.read, 403, #"{"message":"it is Bob's"}"#)])
        #expect(decision == .notFound("t-1"))
        #expect(decision == refusal(404, "Item with id 't-1' does not exist."))
    }

    @Test("A denied update or delete of a thread that may not be read is one that does not exist")
    func deniedBoth() async throws {
        for operation in [ThreadOperation.update, .delete] {
            let decision = try await check(operation, [(operation, 403, #"{"message":"no"}"#), (.read, 403, "{}")])
            #expect(decision == .notFound("t-1"))
        }
    }

    private static let defaultWords = "Forbidden – principal lacks permission"

    @Test(
        "A denied update or delete of a thread that may be read is 403 in the provider's words",
        arguments: [
            (#"{"message":"m","error":"e","detail":"d","description":"s"}"#, "m"),
            (#"{"description":"s","detail":"d","error":"e"}"#, "e"), (#"{"description":"s","detail":"d"}"#, "d"),
            (#"{"description":"s","x":1}"#, "s"), (#"{"reason":"only this"}"#, "only this"),
            (#"{"reason":"one","why":"two"}"#, defaultWords), ("{}", defaultWords), ("[]", defaultWords),
            ("", defaultWords), (#"{"message":"","error":"e"}"#, defaultWords), ("null", defaultWords),
            (#"{"message":{"a":[1,true]}}"#, #"{"a":[1,true]}"#), ("plain words", "plain words"),
            (#"{"message":"\"é\"\n✓"}"#, "\"é\"\n✓"),
            (String(repeating: "é", count: 300), String(repeating: "é", count: 200)),
        ])
    func forbidden(_ body: String, _ words: String) async throws {
        for operation in [ThreadOperation.update, .delete] {
            let decision = try await check(operation, [(operation, 403, body), (.read, 200, "{}")])
            #expect(decision == .forbidden(words))
            #expect(decision == refusal(403, words))
        }
    }

    private static let failures: [(Int, String, Int, String)] = [
        (401, #"{"detail":"who?"}"#, 401, "who?"), (401, "{}", 401, "Unauthorized – missing or invalid credentials"),
        (401, "", 401, "Unauthorized – missing or invalid credentials"), (502, "x", 502, "Bad gateway"),
        (503, #"{"message":"x"}"#, 503, "Service temporarily unavailable"),
        (500, "x", 500, "Server error (status 500)"),
        (501, "", 500, "Server error (status 501)"), (504, "{}", 500, "Server error (status 504)"),
        (599, "{}", 500, "Server error (status 599)"), (404, "{}", 404, "Unexpected response status 404"),
        (204, "", 204, "Unexpected response status 204"), (201, "{}", 201, "Unexpected response status 201"),
        (400, "{}", 400, "Unexpected response status 400"), (409, "{}", 409, "Unexpected response status 409"),
        (418, "{}", 418, "Unexpected response status 418"), (422, "{}", 422, "Unexpected response status 422"),
        (429, "{}", 429, "Unexpected response status 429"),
    ]

    @Test("Any other answer is passed on as the contract says", arguments: failures)
    func others(_ status: Int, _ body: String, _ passed: Int, _ message: String) async throws {
        for operation in ThreadOperation.allCases {
            let decision = try await check(operation, [(operation, status, body)])
            #expect(decision == refusal(passed, message))
        }
    }

    @Test(
        "A second question that fails is that failure",
        arguments: failures + [(200, "", 500, "Failed to parse response")])
    func secondQuestion(_ status: Int, _ body: String, _ passed: Int, _ message: String) async throws {
        for operation in [ThreadOperation.update, .delete] {
            let decision = try await check(operation, [(operation, 403, "{}"), (.read, status, body)])
            #expect(decision == refusal(passed, message))
        }
    }

    @Test("Who does not answer, or not in time, or not wholly, is 503; who says too much is not understood")
    func silence() async throws {
        let unreachable = refusal(503, "Service unreachable or timed out")
        try await AgentexProvider.with("http://127.0.0.1:1") { provider in
            let authorizer = AgentexAuthorizer(provider: provider)
            #expect(await authorizer.check(Self.principal, thread: "t", .read) == unreachable)
        }
        var hasty = AgentexLimits()
        hasty.call = .milliseconds(500)
        for ending in [StubProvider.Ending.broken, .silent] {
            try await AgentexProvider.withStub(limits: hasty) { _ in
                var answer = Answer(200, "1   ")
                answer.ending = ending
                return answer
            } _: { provider, _ in
                let authorizer = AgentexAuthorizer(provider: provider)
                #expect(await authorizer.check(Self.principal, thread: "t", .read) == unreachable)
            }
        }
        let large = "\"" + String(repeating: "x", count: 65_536) + "\""
        #expect(try await check(.read, [(.read, 200, large)]) == refusal(500, "Failed to parse response"))
    }

    @Test("A redirect is not followed: the principal stays here")
    func redirects() async throws {
        try await StubProvider.with { _ in
            .init()
        } _: { other in
            let location = other.url + "/v1/authz/check"
            try await AgentexProvider.withStub { _ in
                var answer = Answer(307, "")
                answer.headers[.location] = location
                return answer
            } _: { provider, _ in
                let decision = await AgentexAuthorizer(provider: provider).check(Self.principal, thread: "t", .read)
                #expect(decision == refusal(307, "Unexpected response status 307"))
            }
            #expect(other.calls.isEmpty)
        }
    }

    @Test("Nothing is remembered: each request is asked about")
    func everyTime() async throws {
        try await AgentexProvider.withStub { _ in
            .init()
        } _: { provider, stub in
            let authorizer = AgentexAuthorizer(provider: provider)
            for count in 1...3 {
                #expect(await authorizer.check(Self.principal, thread: "t", .read) == .allowed)
                #expect(stub.calls.count == count)
            }
        }
    }

    @Test(
        "A thread's id is one JSON string, whatever is in it",
        arguments: [
            (#"a"b"#, #"a\"b"#), (#"a\b"#, #"a\\b"#), ("a\nb\t\u{0}\u{1B}", #"a\nb\t\u0000\u001b"#), ("😀é", "😀é"),
            (#""},"operation":"read"}"#, #"\"},\"operation\":\"read\"}"#), ("", ""), ("\u{2028}/", "\u{2028}/"),
        ])
    func selectors(_ id: String, _ escaped: String) async throws {
        try await AgentexProvider.withStub { _ in
            .init(403, "{}")
        } _: { provider, stub in
            let thread = Identifier(id)
            let decision = await AgentexAuthorizer(provider: provider).check(.emptyObject, thread: thread, .read)
            let body = try #require(stub.calls.first?.body)
            let expected =
                "{\"principal\":{},\"resource\":{\"type\":\"task\",\"selector\":\"\(escaped)\"},\"operation\":\"read\"}"
            #expect(Array(body.utf8) == Array(expected.utf8))
            // The client's answer escapes it as well.
            guard case .refused(let refusal) = decision else { throw AuthenticationFailure("allowed") }
            let answer =
                "{\"message\":\"Item with id '\(escaped)' does not exist.\",\"code\":404,\"data\":null}"
            #expect(refusal.body.bytes == Array(answer.utf8))
        }
    }
}
