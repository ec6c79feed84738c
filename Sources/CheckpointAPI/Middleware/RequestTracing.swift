import Checkpoints
import HTTPTypes
import Observability
import ServiceContextModule
import Tracing

/// Makes a span of each request that is traced.
///
/// What it says is the method, the path without its query or a thread's id, the status and the request's id: never a
/// header, a body or a stored value. A health check is traced only when it brings a trace: there is one every few seconds.
struct RequestTracing: Sendable {
    private static let quiet: Set<String> = ["/healthz", "/readyz", "/metrics"]
    private static let methods: Set<HTTPRequest.Method> = [
        .get, .head, .post, .put, .delete, .connect, .options, .trace, .patch,
    ]

    private let tracer: OTLPTracer
    private let scheme: String
    private let paths: Set<String>

    /// What is no path of `endpoints` is not named in a span: anybody may ask for anything.
    ///
    /// `scheme` is what the server's URLs begin with.
    init(_ tracer: OTLPTracer, _ endpoints: [Endpoint], scheme: String) {
        self.tracer = tracer
        self.scheme = scheme
        paths = Set(endpoints.map(\.path))
    }

    /// Nil when the request is a part of no trace.
    ///
    /// `start` is when the request's head came, if that was before now.
    func begin(_ head: HTTPRequest, since start: MonotonicTime?) -> RequestTrace? {
        let brought = head.headerFields[.traceParent].flatMap { parent in
            TraceContext(parent: parent, state: head.headerFields[.traceState])
        }
        if brought == nil, Self.quiet.contains(head.path ?? "") { return nil }
        let trace = brought ?? tracer.newTrace()
        guard trace.isSampled else { return RequestTrace(trace: trace, isBrought: brought != nil, span: nil) }
        let age = start.map { MonotonicTime.now - $0 } ?? .zero
        let time = DefaultTracerClock.now.nanosecondsSinceEpoch.shifted(by: .zero - age)
        let span =
            brought.map { tracer.start("", in: $0.context, kind: .server, at: time) }
            ?? tracer.start("", first: trace, kind: .server, at: time)
        return RequestTrace(trace: span.trace, isBrought: brought != nil, span: span)
    }

    /// Makes a span of each step of a call that began at `start`.
    func addSteps(_ times: CallTimes, of span: OTLPSpan, since start: MonotonicTime) {
        for step in CallTimes.Step.allCases {
            guard let time = times[step] else { continue }
            let begin = span.start.shifted(by: time.start - start)
            tracer.record(step.rawValue, within: span, from: begin, to: begin.shifted(by: time.duration))
        }
    }

    /// Ends the request's span, which took that long; `status` is nil when nobody was there to be answered.
    func end(
        _ span: OTLPSpan,
        _ head: HTTPRequest,
        _ status: HTTPResponse.Status?,
        requestID: String,
        after time: Duration
    ) {
        let method = Self.methods.contains(head.method) ? head.method.rawValue : nil
        let route = RoutingMiddleware.route(head.path ?? "")
        var attributes: [FinishedSpan.Attribute] = [
            ("http.request.method", .string(method ?? "_OTHER")),
            ("url.scheme", .string(scheme)),
            ("milepost.request_id", .string(requestID)),
        ]
        var name = method ?? "HTTP"
        if paths.contains(route) {
            name += " \(route)"
            attributes.append(("http.route", .string(route)))
        }
        if let status {
            attributes.append(("http.response.status_code", .int(Int64(status.code))))
        }
        if status.map({ $0.code >= 500 }) ?? true {
            attributes.append(("error.type", .string(status.map { String($0.code) } ?? "unanswered")))
            span.setStatus(SpanStatus(code: .error))
        }
        span.operationName = name
        span.add(attributes)
        span.end(at: span.start.shifted(by: time))
    }
}

/// The trace of a request that is being answered.
struct RequestTrace: Sendable {
    let trace: TraceContext
    /// Whether the request came with it.
    let isBrought: Bool
    /// Nil when it is not recorded.
    let span: OTLPSpan?

    /// What others are asked in, on behalf of the request.
    var context: ServiceContext { trace.context }

    /// For the log; nil when nobody else knows of the trace.
    var loggedID: String? {
        isBrought || trace.isSampled ? trace.traceID.hexadecimal : nil
    }
}

extension TraceContext {
    fileprivate var context: ServiceContext {
        var context = ServiceContext.topLevel
        context.trace = self
        return context
    }
}

extension UInt64 {
    /// Nanoseconds since 1970, that much later or earlier.
    fileprivate func shifted(by time: Duration) -> UInt64 {
        UInt64(clamping: Int64(clamping: self) + time.nanoseconds)
    }
}

extension HTTPField.Name {
    /// The initialiser fails only for what is no token.
    fileprivate static let traceParent = HTTPField.Name(TraceContext.Header.parent) ?? .cacheControl
    fileprivate static let traceState = HTTPField.Name(TraceContext.Header.state) ?? .cacheControl
}
