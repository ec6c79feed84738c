package import ServiceContextModule
package import Tracing

/// Makes spans, and passes traces on in W3C's headers.
///
/// Who brings a trace has decided whether it is recorded. Of the others so many per cent are, decided by the trace's id
/// as OpenTelemetry's samplers do: servers that see the same trace decide alike.
package struct OTLPTracer: Tracer {
    private let percent: Int
    private let numbers: UniqueNumbers
    private let record: @Sendable (FinishedSpan) -> Void
    private let flush: @Sendable () -> Void

    /// `record` gets each span as it ends, on the thread that ends it; `flush` makes them be sent soon.
    package init(
        percent: Int = 100,
        numbers: UniqueNumbers = UniqueNumbers(),
        flush: @escaping @Sendable () -> Void = {},
        record: @escaping @Sendable (FinishedSpan) -> Void
    ) {
        precondition((0...100).contains(percent), "a share is of 0 to 100 per cent")
        self.percent = percent
        self.numbers = numbers
        self.flush = flush
        self.record = record
    }

    /// Whether a trace that nobody has decided about is recorded.
    package func samples(_ traceID: TraceID) -> Bool {
        guard percent < 100 else { return true }
        return traceID.low < UInt64.max / 100 * UInt64(percent)
    }

    /// The beginning of a trace that nobody brought.
    package func newTrace() -> TraceContext {
        let traceID = TraceID(numbers)
        return TraceContext(traceID: traceID, spanID: SpanID(numbers), isSampled: samples(traceID))
    }

    /// Begins a span at `time`, in nanoseconds since 1970, within the trace of `context` or a new one.
    package func start(
        _ name: String,
        in context: ServiceContext,
        kind: SpanKind,
        at time: UInt64
    ) -> OTLPSpan {
        guard let parent = context.trace else {
            return start(name, first: newTrace(), in: context, kind: kind, at: time)
        }
        let trace = parent.isSampled ? parent.child(SpanID(numbers)) : parent
        return OTLPSpan(
            name,
            trace: trace,
            parent: parent.spanID,
            in: context,
            kind: kind,
            start: time,
            record: record
        )
    }

    /// Begins a new trace with its first span.
    package func start(
        _ name: String,
        first trace: TraceContext,
        in context: ServiceContext = .topLevel,
        kind: SpanKind,
        at time: UInt64
    ) -> OTLPSpan {
        OTLPSpan(name, trace: trace, parent: nil, in: context, kind: kind, start: time, record: record)
    }

    /// Records a span that is over, within another: from and to a time in nanoseconds since 1970.
    package func record(_ name: String, within span: OTLPSpan, from start: UInt64, to end: UInt64) {
        guard span.isRecording else { return }
        record(
            FinishedSpan(
                traceID: span.trace.traceID,
                spanID: SpanID(numbers),
                parent: span.trace.spanID,
                name: name,
                kind: .internal,
                start: start,
                end: max(start, end),
                attributes: [],
                events: [],
                links: [],
                status: nil
            )
        )
    }

    package func startSpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> OTLPSpan {
        start(operationName, in: context(), kind: kind, at: instant().nanosecondsSinceEpoch)
    }

    package func startAnySpan<Instant: TracerInstant>(
        _ operationName: String,
        context: @autoclosure () -> ServiceContext,
        ofKind kind: SpanKind,
        at instant: @autoclosure () -> Instant,
        function: String,
        file fileID: String,
        line: UInt
    ) -> any Tracing.Span {
        start(operationName, in: context(), kind: kind, at: instant().nanosecondsSinceEpoch)
    }

    /// Returns at once: what was recorded is sent soon.
    package func forceFlush() { flush() }

    package func extract<Carrier, Extract: Extractor>(
        _ carrier: Carrier,
        into context: inout ServiceContext,
        using extractor: Extract
    ) where Extract.Carrier == Carrier {
        guard let parent = extractor.extract(key: TraceContext.Header.parent, from: carrier) else { return }
        let state = extractor.extract(key: TraceContext.Header.state, from: carrier)
        guard let trace = TraceContext(parent: parent, state: state) else { return }
        context.trace = trace
    }

    package func inject<Carrier, Inject: Injector>(
        _ context: ServiceContext,
        into carrier: inout Carrier,
        using injector: Inject
    ) where Inject.Carrier == Carrier {
        guard let trace = context.trace else { return }
        injector.inject(trace.parent, forKey: TraceContext.Header.parent, into: &carrier)
        guard let state = trace.state else { return }
        injector.inject(state, forKey: TraceContext.Header.state, into: &carrier)
    }
}

extension TraceContext {
    fileprivate func child(_ spanID: SpanID) -> TraceContext {
        TraceContext(traceID: traceID, spanID: spanID, isSampled: isSampled, state: state)
    }
}
