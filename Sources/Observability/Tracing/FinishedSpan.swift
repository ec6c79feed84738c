package import Tracing

/// A span that has ended, as it is exported.
package struct FinishedSpan: Sendable {
    /// An attribute of a span or an event.
    package typealias Attribute = (name: String, value: SpanAttribute)

    /// Something that happened at one moment of the span.
    package struct Event: Sendable {
        package let name: String
        /// Nanoseconds since 1970.
        package let time: UInt64
        package let attributes: [Attribute]
    }

    package let traceID: TraceID
    package let spanID: SpanID
    /// Nil for the first span of a trace.
    package let parent: SpanID?
    package let name: String
    package let kind: SpanKind
    /// Nanoseconds since 1970.
    package let start: UInt64
    /// Nanoseconds since 1970; never before `start`.
    package let end: UInt64
    package let attributes: [Attribute]
    package let events: [Event]
    package let links: [TraceContext]
    package let status: SpanStatus.Code?

    /// The value of the attribute of that name.
    package subscript(name: String) -> SpanAttribute? {
        attributes.first { $0.name == name }?.value
    }
}
