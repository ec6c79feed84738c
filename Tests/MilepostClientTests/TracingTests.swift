import JSON
import MilepostClient
import Observability
import TestSupport
import Testing
import Tracing

@Suite("The client of a server, traced", .timeLimit(.minutes(5)))
struct TracingTests {
    @Test("a call takes along the trace that it is made in, where the program has a tracer")
    func traced() async throws {
        let recorder = SpanRecorder()
        let tracer = recorder.tracer()
        try await withTracer(tracer) {
            try await StubServer.with { _ in
                .init(body: ["threads": .array([])])
            } _: { client, stub in
                try await tracer.withSpan("work") { _ in _ = try await client.threads() }
                let work = try #require(recorder.spans.last), call = try #require(recorder.spans.first)
                #expect(work.name == "work" && call.kind == .client && call.parent == work.spanID)
                let sent = try #require(stub.calls.first?.traceParent)
                #expect(sent == "00-\(work.traceID.hexadecimal)-\(call.spanID.hexadecimal)-01")
            }
        }
    }

    @Test("without one nothing is taken along")
    func untraced() async throws {
        try await StubServer.with { _ in
            .init(body: ["threads": .array([])])
        } _: { client, stub in
            _ = try await client.threads()
            #expect(stub.calls.count == 1 && stub.calls.first?.traceParent == nil)
        }
    }
}
