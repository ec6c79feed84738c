import ServiceContextModule
import Synchronization
package import Tracing

/// A span that is going on; one of a trace that is not sampled keeps nothing.
///
/// Of an error only its type is kept, and of a status only its code: their words may have a caller's values in them.
package final class OTLPSpan: Span {
    private struct State {
        var name: String
        var attributes: [FinishedSpan.Attribute] = []
        var events: [FinishedSpan.Event] = []
        var links: [TraceContext] = []
        var status: SpanStatus.Code?
        var hasEnded = false
    }

    /// What whatever begins within it has as its parent.
    package let trace: TraceContext
    /// Nanoseconds since 1970.
    package let start: UInt64

    private let outer: ServiceContext
    private let parent: SpanID?
    private let kind: SpanKind
    private let record: @Sendable (FinishedSpan) -> Void
    private let state: Mutex<State>

    init(
        _ name: String,
        trace: TraceContext,
        parent: SpanID?,
        in outer: ServiceContext,
        kind: SpanKind,
        start: UInt64,
        record: @escaping @Sendable (FinishedSpan) -> Void
    ) {
        self.trace = trace
        self.parent = parent
        self.outer = outer
        self.kind = kind
        self.start = start
        self.record = record
        state = Mutex(State(name: name))
    }

    package var isRecording: Bool { trace.isSampled && state.withLock { !$0.hasEnded } }

    package var context: ServiceContext {
        var context = outer
        context.trace = trace
        return context
    }

    package var operationName: String {
        get { state.withLock { $0.name } }
        set { change { $0.name = newValue } }
    }

    package var attributes: SpanAttributes {
        get {
            var attributes = SpanAttributes()
            for (name, value) in state.withLock({ $0.attributes }) { attributes[name] = value }
            return attributes
        }
        set { change { $0.attributes = Self.list(newValue) } }
    }

    /// Sets attributes that are not set yet, for less than `attributes` takes.
    package func add(_ attributes: [FinishedSpan.Attribute]) {
        change { $0.attributes += attributes }
    }

    package func setStatus(_ status: SpanStatus) {
        change { $0.status = status.code }
    }

    package func addEvent(_ event: SpanEvent) {
        let time = event.nanosecondsSinceEpoch
        change {
            $0.events.append(.init(name: event.name, time: time, attributes: Self.list(event.attributes)))
        }
    }

    package func recordError<Instant: TracerInstant>(
        _ error: any Error,
        attributes: SpanAttributes,
        at instant: @autoclosure () -> Instant
    ) {
        let time = instant().nanosecondsSinceEpoch
        let type = FinishedSpan.Attribute("exception.type", .string(String(reflecting: Swift.type(of: error))))
        change {
            $0.events.append(.init(name: "exception", time: time, attributes: [type] + Self.list(attributes)))
        }
    }

    package func addLink(_ link: SpanLink) {
        guard let trace = link.context.trace else { return }
        change { $0.links.append(trace) }
    }

    package func end<Instant: TracerInstant>(at instant: @autoclosure () -> Instant) {
        end(at: instant().nanosecondsSinceEpoch)
    }

    /// The first call counts; `time` is in nanoseconds since 1970.
    package func end(at time: UInt64) {
        guard trace.isSampled else { return }
        let ended = state.withLock { state -> State? in
            guard !state.hasEnded else { return nil }
            state.hasEnded = true
            return state
        }
        guard let ended else { return }
        record(
            FinishedSpan(
                traceID: trace.traceID,
                spanID: trace.spanID,
                parent: parent,
                name: ended.name,
                kind: kind,
                start: start,
                end: max(start, time),
                attributes: ended.attributes,
                events: ended.events,
                links: ended.links,
                status: ended.status
            )
        )
    }

    private func change(_ body: (inout State) -> Void) {
        guard trace.isSampled else { return }
        state.withLock { state in
            if !state.hasEnded { body(&state) }
        }
    }

    private static func list(_ attributes: SpanAttributes) -> [FinishedSpan.Attribute] {
        var list: [FinishedSpan.Attribute] = []
        attributes.forEach { list.append(($0, $1)) }
        return list.sorted { $0.name < $1.name }
    }
}
