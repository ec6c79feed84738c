import JSON
import Observability
import ServiceContextModule
import TestSupport
import Testing
import Tracing

@Suite("OTLP in JSON")
struct OTLPDocumentTests {
    private let document = OTLPDocument(service: "milepost", version: "1.2.3", instance: "i")

    private func text(_ spans: [FinishedSpan]) -> String {
        String(decoding: document.body(spans), as: UTF8.self)
    }

    @Test("a span as the protocol has it")
    func whole() {
        let recorder = SpanRecorder()
        let tracer = recorder.tracer()
        var context = ServiceContext.topLevel
        context.trace = TraceContext(
            parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", state: "a=CANARY")
        let span = tracer.start("POST /checkpoints/put", in: context, kind: .server, at: 1_700_000_000_123_456_789)
        span.add([
            ("http.request.method", "POST"), ("http.response.status_code", 503), ("flag", .bool(true)),
            ("ratio", .double(0.5)), ("quoted", "a\"\n"),
        ])
        span.setStatus(SpanStatus(code: .error))
        let id = span.trace.spanID.hexadecimal
        span.end(at: 1_700_000_000_223_456_789)
        #expect(
            text(recorder.spans) == """
                {"resourceSpans":[{"resource":{"attributes":[\
                {"key":"service.name","value":{"stringValue":"milepost"}},\
                {"key":"service.version","value":{"stringValue":"1.2.3"}},\
                {"key":"service.instance.id","value":{"stringValue":"i"}}]},\
                "scopeSpans":[{"scope":{"name":"milepost","version":"1.2.3"},"spans":[\
                {"traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"\(id)",\
                "parentSpanId":"00f067aa0ba902b7","name":"POST /checkpoints/put","kind":2,\
                "startTimeUnixNano":"1700000000123456789","endTimeUnixNano":"1700000000223456789",\
                "attributes":[{"key":"http.request.method","value":{"stringValue":"POST"}},\
                {"key":"http.response.status_code","value":{"intValue":"503"}},\
                {"key":"flag","value":{"boolValue":true}},{"key":"ratio","value":{"doubleValue":0.5}},\
                {"key":"quoted","value":{"stringValue":"a\\"\\n"}}],"status":{"code":2}}]}]}]}
                """
        )
    }

    @Test("events, links, lists and what JSON has no number for; no parent and no status where there is none")
    func rest() throws {
        let recorder = SpanRecorder()
        let span = recorder.tracer().start("x", in: .topLevel, kind: .client, at: 1)
        var linked = ServiceContext.topLevel
        linked.trace = TraceContext(parent: "00-00000000000000000000000000000001-0000000000000002-01")
        span.addLink(SpanLink(context: linked, attributes: [:]))
        span.addEvent(
            SpanEvent(name: "e", at: DefaultTracerClock.Timestamp(nanosecondsSinceEpoch: 3), attributes: ["k": 1]))
        span.add([
            ("list", .stringArray(["a", "b"])), ("none", .int64Array([])), ("nan", .double(.nan)),
            ("low", .double(-.infinity)), ("wide", .int64(.min)), ("small", .int32(7)),
        ])
        let trace = span.trace
        span.end(at: 2)
        #expect(
            text(recorder.spans).hasSuffix(
                """
                "spans":[{"traceId":"\(trace.traceID.hexadecimal)","spanId":"\(trace.spanID.hexadecimal)",\
                "name":"x","kind":3,"startTimeUnixNano":"1","endTimeUnixNano":"2","attributes":[\
                {"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{"stringValue":"b"}]}}},\
                {"key":"none","value":{"arrayValue":{"values":[]}}},{"key":"nan","value":{"doubleValue":"NaN"}},\
                {"key":"low","value":{"doubleValue":"-Infinity"}},\
                {"key":"wide","value":{"intValue":"-9223372036854775808"}},{"key":"small","value":{"intValue":"7"}}],\
                "events":[{"timeUnixNano":"3","name":"e","attributes":[{"key":"k","value":{"intValue":"1"}}]}],\
                "links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002"}],\
                "status":{}}]}]}]}
                """
            )
        )
    }

    @Test("several spans are a list, and what comes out is JSON", arguments: [0, 1, 3])
    func several(_ count: Int) throws {
        let recorder = SpanRecorder()
        for number in 0..<count { recorder.tracer(seed: UInt64(number)).withSpan("\(number)") { _ in } }
        let value = try JSONValue(parsing: document.body(recorder.spans))
        guard
            case .array(let resources) = value["resourceSpans"], case .array(let scopes) = resources[0]["scopeSpans"],
            case .array(let spans) = scopes[0]["spans"]
        else {
            Issue.record("another shape")
            return
        }
        #expect(spans.map { $0["name"] } == (0..<count).map { .string(JSONString("\($0)")) })
    }

    @Test("a number for each kind")
    func kinds() {
        for (kind, number) in [(SpanKind.internal, 1), (.server, 2), (.client, 3), (.producer, 4), (.consumer, 5)] {
            let recorder = SpanRecorder()
            recorder.tracer().start("x", in: .topLevel, kind: kind, at: 1).end(at: 2)
            #expect(text(recorder.spans).contains("\"kind\":\(number),"))
        }
    }
}
