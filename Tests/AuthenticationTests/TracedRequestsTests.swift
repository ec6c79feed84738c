import Authentication
import Checkpoints
import Observability
import ServiceContextModule
import TestSupport
import Testing
import Tracing

/// What is asked of others on behalf of a request is a part of its trace.
@Suite("Requests to others, traced", .timeLimit(.minutes(5)))
struct TracedRequestsTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let parent = "00-\(trace)-00f067aa0ba902b7"

    private func within<Value>(_ parent: String, _ body: () async throws -> Value) async rethrows -> Value {
        var context = ServiceContext.topLevel
        context.trace = TraceContext(parent: parent, state: "a=1")
        return try await ServiceContext.withValue(context) { try await body() }
    }

    /// Asks who the caller is and whether it may read a thread; the caller's own trace is of another tracer's span.
    private func ask(_ provider: AgentexProvider) async throws {
        let sent = Credentials([
            ("authorization", "Bearer CANARY"), ("traceparent", "00-\(Self.trace)-1111111111111111-01"),
            ("tracestate", "b=2"),
        ])
        let principal = try await AgentexMode(provider: provider).principal(for: sent).get()
        let provided = try #require(principal.providerPrincipal)
        _ = await AgentexAuthorizer(provider: provider).check(provided, thread: "CANARY", .read)
    }

    @Test("the provider is asked within the request's trace")
    func provider() async throws {
        let recorder = SpanRecorder()
        try await StubProvider.with { call in
            call.path == "/base/v1/authn" ? .init(200, #"{"user_id":"CANARY"}"#) : .init(403)
        } _: { stub in
            let provider = try AgentexProvider(url: stub.url + "/base", tracer: recorder.tracer())
            try await within(Self.parent + "-01") { try await ask(provider) }
            try await provider.shutdown()
            let spans = recorder.spans
            #expect(spans.map(\.name) == ["POST /v1/authn", "POST /v1/authz/check"])
            #expect(spans.map { $0["http.response.status_code"] } == [200, 403])
            #expect(spans.map(\.status) == [nil, .error])
            for (span, call) in zip(spans, stub.calls) {
                #expect(span.kind == .client && span.parent?.hexadecimal == "00f067aa0ba902b7")
                #expect(call["traceparent"] == "00-\(Self.trace)-\(span.spanID.hexadecimal)-01")
                #expect(call["tracestate"] == "a=1")
                #expect(call.headers.filter { $0.name.hasPrefix("trace") }.count == 2)
                #expect(span["server.address"] == "127.0.0.1")
            }
            let body = OTLPDocument(service: "s", version: "1", instance: "i").body(spans)
            #expect(!String(decoding: body, as: UTF8.self).contains("CANARY"))
        }
    }

    @Test("a trace that is not sampled is passed on as it came")
    func unsampled() async throws {
        let recorder = SpanRecorder()
        try await StubProvider.with { _ in
            .init(200, "{}")
        } _: { stub in
            let provider = try AgentexProvider(url: stub.url, tracer: recorder.tracer())
            try await within(Self.parent + "-00") { try await ask(provider) }
            try await provider.shutdown()
            #expect(stub.calls.map { $0["traceparent"] } == [Self.parent + "-00", Self.parent + "-00"])
        }
        #expect(recorder.spans.isEmpty)
    }

    @Test("without a tracer the caller's trace is forwarded as any header is")
    func off() async throws {
        try await AgentexProvider.withStub { _ in
            .init(200, "{}")
        } _: { provider, stub in
            try await within(Self.parent + "-01") { try await ask(provider) }
            #expect(stub.calls.map { $0["traceparent"] } == ["00-\(Self.trace)-1111111111111111-01", nil])
        }
    }

    @Test("a provider that is not there is an error of the span's")
    func unreachable() async throws {
        let recorder = SpanRecorder()
        let provider = try AgentexProvider(url: "http://127.0.0.1:1", tracer: recorder.tracer())
        _ = await AgentexMode(provider: provider).principal(for: Credentials([]))
        try await provider.shutdown()
        let span = try #require(recorder.spans.first)
        #expect(span.status == .error && span["error.type"] == "unreachable" && span.parent == nil)
    }

    @Test("keys are fetched within the trace of the request whose token needs them")
    func keys() async throws {
        let (old, new) = (try await IssuerKey.make(.es256, id: "old"), try await IssuerKey.make(.es256, id: "new"))
        let (recorder, server, log) = (SpanRecorder(), JWKSServer(), TokenLog())
        server.publish([old.jwk])
        try await server.whileListening { port in
            let settings = try JWTSettings(
                jwks: "http://127.0.0.1:\(port)/jwks", issuer: TokenText.issuer, audience: TokenText.audience)
            let mode = try await JWTMode(settings, logger: log.logger, tracer: recorder.tracer()) {
                Double(TokenText.now)
            }
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { await mode.run() }
                defer { group.cancelAll() }
                try await eventually { log.lines.contains("info the JWKS was read") }
                server.publish([old.jwk, new.jwk])
                let token = try TokenText.signed(new)
                _ = try await within(Self.parent + "-01") {
                    try await mode.principal(for: Credentials(jwt: token)).get()
                }
            }
        }
        let spans = recorder.spans
        #expect(spans.map(\.name) == ["GET", "GET"] && spans.allSatisfy { $0.kind == .client })
        #expect(spans.first?.parent == nil && spans.first?.traceID.hexadecimal != Self.trace)
        #expect(spans.last?.parent?.hexadecimal == "00f067aa0ba902b7" && spans.last?.traceID.hexadecimal == Self.trace)
        let span = try #require(spans.last)
        #expect(server.traceParents.last == "00-\(Self.trace)-\(span.spanID.hexadecimal)-01")
    }
}
