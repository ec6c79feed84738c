import Observability
import ServiceContextModule
import TestSupport
import Testing
import Tracing

@Suite("The tracer")
struct OTLPTracerTests {
    private struct Failure: Error, CustomStringConvertible {
        let description = "CANARY"
    }

    private struct Fields: Extractor, Injector {
        func extract(key: String, from carrier: [String: String]) -> String? { carrier[key] }
        func inject(_ value: String, forKey key: String, into carrier: inout [String: String]) { carrier[key] = value }
    }

    private static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    private func context(_ parent: String, state: String? = nil) -> ServiceContext {
        var context = ServiceContext.topLevel
        context.trace = TraceContext(parent: parent, state: state)
        return context
    }

    @Test("spans within each other are children of each other, in one trace")
    func tree() throws {
        let recorder = SpanRecorder()
        let tracer = recorder.tracer()
        tracer.withSpan("outer", ofKind: .server) { outer in
            tracer.withSpan("inner") { inner in
                inner.attributes["b"] = 2
                inner.attributes["a"] = "x"
                inner.attributes["b"] = 3
            }
            #expect(outer.isRecording)
        }
        let (inner, outer) = (try #require(recorder.spans.first), try #require(recorder.spans.last))
        #expect(recorder.spans.map(\.name) == ["inner", "outer"])
        #expect(inner.traceID == outer.traceID && inner.parent == outer.spanID && outer.parent == nil)
        #expect(inner.spanID != outer.spanID)
        #expect(inner.kind == .internal && outer.kind == .server)
        #expect(inner.start >= outer.start && inner.end <= outer.end)
        #expect(inner.attributes.map(\.name) == ["a", "b"])
        #expect(inner["a"] == "x" && inner["b"] == 3)
    }

    @Test("a trace that came is gone on with, and passed on with the state as it was")
    func remote() throws {
        let recorder = SpanRecorder()
        let tracer = recorder.tracer()
        var context = ServiceContext.topLevel
        let sent = ["traceparent": Self.parent, "tracestate": "congo=t61"]
        tracer.extract(sent, into: &context, using: Fields())
        let span = tracer.startSpan("call", context: context, ofKind: .server)
        var next: [String: String] = [:]
        tracer.inject(span.context, into: &next, using: Fields())
        span.end()
        let recorded = try #require(recorder.spans.first)
        #expect(recorded.traceID.hexadecimal == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(recorded.parent?.hexadecimal == "00f067aa0ba902b7")
        #expect(next["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-\(recorded.spanID.hexadecimal)-01")
        #expect(next["tracestate"] == "congo=t61")
    }

    @Test("a trace that is not sampled keeps nothing, and is passed on as it came")
    func unsampled() {
        let recorder = SpanRecorder()
        let tracer = recorder.tracer()
        let parent = Self.parent.dropLast() + "0"
        let span = tracer.startSpan("call", context: context(String(parent), state: "a=1"))
        span.attributes["a"] = 1
        span.recordError(Failure())
        #expect(!span.isRecording && span.attributes.isEmpty)
        var next: [String: String] = [:]
        tracer.inject(span.context, into: &next, using: Fields())
        span.end()
        #expect(next == ["traceparent": String(parent), "tracestate": "a=1"])
        #expect(recorder.spans.isEmpty)
    }

    @Test("what is malformed is no context, and nothing is passed on where there is none")
    func malformed() {
        let tracer = SpanRecorder().tracer()
        var context = ServiceContext.topLevel
        tracer.extract(["traceparent": "00-xyz", "tracestate": "a=1"], into: &context, using: Fields())
        #expect(context.isEmpty)
        var next: [String: String] = [:]
        tracer.inject(.topLevel, into: &next, using: Fields())
        #expect(next.isEmpty)
    }

    @Test("so many per cent are sampled, each trace the same everywhere", arguments: [0, 1, 25, 99, 100])
    func percent(_ percent: Int) throws {
        let (one, other) = (SpanRecorder().tracer(percent: percent, seed: 1), SpanRecorder().tracer(percent: percent))
        var sampled = 0
        for _ in 0..<10_000 {
            let trace = one.newTrace()
            #expect(other.samples(trace.traceID) == trace.isSampled)
            if trace.isSampled { sampled += 1 }
        }
        // Of a fixed seed, and within four times the standard deviation: 43 for 25 per cent.
        #expect(abs(sampled - 100 * percent) <= 175)
        #expect(percent > 0 || sampled == 0)
        #expect(percent < 100 || sampled == 10_000)
        // The bounds, by the lower half of the id.
        let least = try #require(TraceID(high: .max, low: 0)), most = try #require(TraceID(high: 0, low: .max))
        #expect(one.samples(least) == (percent > 0))
        #expect(one.samples(most) == (percent == 100))
    }

    @Test("what brings a decision is not decided about", arguments: ["00", "01"])
    func decided(_ flags: String) {
        let recorder = SpanRecorder()
        let tracer = recorder.tracer(percent: flags == "00" ? 100 : 0)
        tracer.startSpan("call", context: context(String(Self.parent.dropLast(2)) + flags)).end()
        #expect(recorder.spans.count == (flags == "01" ? 1 : 0))
    }

    @Test("an error is kept as its type, and a status without its words")
    func errors() throws {
        let recorder = SpanRecorder()
        #expect(throws: Failure.self) {
            try recorder.tracer().withSpan("call") { span in
                span.setStatus(SpanStatus(code: .error, message: "CANARY"))
                throw Failure()
            }
        }
        let span = try #require(recorder.spans.first)
        #expect(span.status == .error)
        #expect(span.events.map(\.name) == ["exception"])
        let type = try #require(span.events.first?.attributes.first)
        #expect(type.name == "exception.type" && "\(type.value)".contains("Failure"))
        #expect(!"\(recorder.spans)".contains("CANARY"))
    }

    @Test("a span ends once, and not before it began; then nothing is changed")
    func ends() throws {
        let recorder = SpanRecorder()
        let span = recorder.tracer().start("call", in: .topLevel, kind: .internal, at: 1_000)
        span.addEvent(SpanEvent(name: "seen", attributes: ["n": 1]))
        span.addLink(SpanLink(context: context(Self.parent), attributes: [:]))
        span.end(at: 999)
        span.operationName = "other"
        span.attributes["a"] = 1
        span.end(at: 5_000)
        #expect(recorder.spans.count == 1)
        let recorded = try #require(recorder.spans.first)
        #expect(recorded.name == "call" && recorded.attributes.isEmpty)
        #expect(recorded.start == 1_000 && recorded.end == 1_000)
        #expect(recorded.events.map(\.name) == ["seen"])
        #expect(recorded.links.map(\.parent) == [Self.parent])
        #expect(!span.isRecording)
    }

    @Test("no two ids of ten thousand are alike")
    func unique() {
        let numbers = UniqueNumbers()
        #expect(Set((0..<10_000).map { _ in numbers.next() }).count == 10_000)
    }
}
