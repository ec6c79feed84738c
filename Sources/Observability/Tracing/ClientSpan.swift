package import NIOHTTP1
package import ServiceContextModule
import Tracing

/// A request of this program's to another one, as a part of the trace that it is made in.
package struct ClientSpan: Sendable {
    private let span: OTLPSpan

    /// `path` is what the URL has behind the part that the operator gave, the same for all such requests.
    ///
    /// `context` is where it is made, without one a trace of its own.
    package init(
        _ method: String,
        path: String? = nil,
        to host: String,
        port: Int,
        in context: ServiceContext?,
        _ tracer: OTLPTracer
    ) {
        let now = DefaultTracerClock.now.nanosecondsSinceEpoch
        let name = path.map { "\(method) \($0)" } ?? method
        span = tracer.start(name, in: context ?? .topLevel, kind: .client, at: now)
        guard span.isRecording else { return }
        span.add([
            ("http.request.method", .string(method)), ("server.address", .string(host)),
            ("server.port", .int(Int64(port))),
        ])
        if let path { span.add([("url.template", .string(path))]) }
    }

    /// Has the request take its trace along, in the place of any other.
    package func inject(into headers: inout HTTPHeaders) {
        headers.replaceOrAdd(name: TraceContext.Header.parent, value: span.trace.parent)
        headers.remove(name: TraceContext.Header.state)
        if let state = span.trace.state { headers.add(name: TraceContext.Header.state, value: state) }
    }

    package func end(status: Int) {
        span.add([("http.response.status_code", .int(Int64(status)))])
        if status >= 400 {
            span.add([("error.type", .string(String(status)))])
            span.setStatus(SpanStatus(code: .error))
        }
        span.end(at: DefaultTracerClock.now)
    }

    /// Ends it without an answer; `kind` is a word for why.
    package func fail(_ kind: String) {
        span.add([("error.type", .string(kind))])
        span.setStatus(SpanStatus(code: .error))
        span.end(at: DefaultTracerClock.now)
    }
}
