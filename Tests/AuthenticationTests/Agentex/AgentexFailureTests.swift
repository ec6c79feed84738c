import Authentication
import Checkpoints
import HTTPTypes
import JSON
import Testing

@Suite("What is no principal from an Agentex provider", .timeLimit(.minutes(5)))
struct AgentexFailureTests {
    private static let refused = "the Agentex provider refused"
    private static let notAsked = "the Agentex provider could not be asked: "

    private static var hasty: AgentexLimits {
        var limits = AgentexLimits()
        limits.call = .milliseconds(500)
        return limits
    }

    private func expectFailure(
        _ reason: String,
        from answer: @escaping @Sendable (StubProvider.Call) async throws -> StubProvider.Answer
    ) async throws {
        try await AgentexProvider.withStub(answer: answer) { provider, stub in
            let mode = AgentexMode(provider: provider)
            // A failure is asked for again.
            for count in 1...2 {
                let outcome = await mode.principal(for: Credentials([("authorization", "Bearer secret")]))
                #expect(outcome == .failure(AuthenticationFailure(reason)))
                #expect(mode.principalAtOnce(for: Credentials([("authorization", "Bearer secret")])) == nil)
                #expect(stub.calls.count == count)
            }
        }
    }

    @Test("Any status but 200 is a failure, whatever its body", arguments: [401, 403, 400, 404, 429, 201, 304, 204])
    func refusals(_ status: Int) async throws {
        try await expectFailure(Self.refused) { _ in .init(status, status == 204 || status == 304 ? "" : "{}") }
    }

    @Test("A provider that fails was not asked, to the log", arguments: [500, 502, 503, 504, 599])
    func failures(_ status: Int) async throws {
        try await expectFailure(Self.notAsked + "it failed") { _ in .init(status, #"{"user_id":"u1"}"#) }
    }

    @Test("200 without JSON is a failure", arguments: ["", "<html>", "{", "{}{}", "NaN", "{'a':1}", "\u{FEFF}{}"])
    func nonsense(_ text: String) async throws {
        try await expectFailure(Self.notAsked + "its answer is not JSON") { _ in .init(200, text) }
    }

    @Test("JSON of 64 levels and 64 KiB is a principal; one more of either is a failure")
    func limits() async throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        func long(_ bytes: Int) -> String { "\"" + String(repeating: "x", count: bytes - 2) + "\"" }
        for text in [nested(64), long(65_536)] {
            try await AgentexProvider.withStub { _ in
                .init(200, text)
            } _: { provider, _ in
                let principal = try await AgentexMode(provider: provider).principal(for: Credentials([])).get()
                #expect(principal.providerPrincipal?.bytes == Array(text.utf8))
            }
        }
        let deep = nested(65)
        try await expectFailure(Self.notAsked + "its answer is not JSON") { _ in .init(200, deep) }
        let large = long(65_537)
        try await expectFailure(Self.notAsked + "its answer is too large") { _ in .init(200, large) }
        let huge = long(8 << 20)
        try await expectFailure(Self.notAsked + "its answer is too large") { _ in .init(200, huge) }
    }

    @Test("A body that stops in the middle is no principal, even if what came is JSON")
    func broken() async throws {
        try await expectFailure(Self.notAsked + "no connection, or no whole answer") { _ in
            var answer = StubProvider.Answer(200, "1    ")
            answer.ending = .broken
            return answer
        }
    }

    @Test("Neither the head nor the body of an answer may take longer than the call", arguments: [true, false])
    func slow(_ isHeadSlow: Bool) async throws {
        try await AgentexProvider.withStub(limits: Self.hasty) { _ in
            if isHeadSlow { try await Task.sleep(for: .seconds(600)) }
            var answer = StubProvider.Answer(200, "1    ")
            answer.ending = .silent
            return answer
        } _: { provider, _ in
            let outcome = await AgentexMode(provider: provider).principal(for: Credentials([]))
            #expect(outcome == .failure(AuthenticationFailure(Self.notAsked + "no answer in time")))
        }
    }

    @Test("A provider that is not there, and one that was shut down, let nobody in")
    func nobody() async throws {
        let provider = try AgentexProvider(url: "http://127.0.0.1:1")
        let (mode, authorizer) = (AgentexMode(provider: provider), AgentexAuthorizer(provider: provider))
        let outcome = await mode.principal(for: Credentials([]))
        #expect(outcome == .failure(AuthenticationFailure(Self.notAsked + "no connection, or no whole answer")))
        try await provider.shutdown()
        let later = await mode.principal(for: Credentials([]))
        #expect(later == .failure(AuthenticationFailure(Self.notAsked + "the server is shutting down")))
        let refusal = ThreadRefusal(status: 503, message: "Service unreachable or timed out")
        #expect(await authorizer.check(.emptyObject, thread: "t", .read) == .refused(refusal))
    }

    @Test("A redirect is not followed: the credentials stay here", arguments: [301, 302, 303, 307, 308])
    func redirects(_ status: Int) async throws {
        try await StubProvider.with { _ in
            .init(200, #"{"user_id":"u1"}"#)
        } _: { other in
            let location = other.url + "/v1/authn"
            try await expectFailure(Self.refused) { _ in
                var answer = StubProvider.Answer(status, "")
                answer.headers[.location] = location
                return answer
            }
            #expect(other.calls.isEmpty)
        }
    }
}
