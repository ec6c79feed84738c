package import ServiceContextModule

/// The place in a trace that a request comes from, as W3C's headers `traceparent` and `tracestate` say it.
///
/// https://www.w3.org/TR/trace-context/
package struct TraceContext: Hashable, Sendable {
    /// The names of the headers.
    package enum Header {
        package static let parent = "traceparent"
        package static let state = "tracestate"
    }

    /// What a `tracestate` may have at most; what is beyond it goes, whole members from its end.
    package static let maximumStateBytes = 512

    package let traceID: TraceID
    /// What is the parent of whatever begins here.
    package let spanID: SpanID
    /// Whether who came before records the trace.
    package let isSampled: Bool
    /// What other tracers keep in it, passed on as it came.
    package let state: String?

    package init(traceID: TraceID, spanID: SpanID, isSampled: Bool, state: String? = nil) {
        self.traceID = traceID
        self.spanID = spanID
        self.isSampled = isSampled
        self.state = state
    }

    /// Reads the headers; nil when `parent` is malformed, and then its trace is none of ours.
    package init?(parent: String, state: String? = nil) {
        var parent = parent
        guard let read = parent.withUTF8({ Self.read($0) }) else { return nil }
        self.init(
            traceID: read.traceID,
            spanID: read.spanID,
            isSampled: read.isSampled,
            state: state.flatMap(Self.bounded)
        )
    }

    /// The header `traceparent`, version 00.
    package var parent: String {
        "00-\(traceID.hexadecimal)-\(spanID.hexadecimal)-\(isSampled ? "01" : "00")"
    }

    /// Of a later version, what version 00 has is read, and what follows it is not looked at.
    private static func read(
        _ text: UnsafeBufferPointer<UInt8>
    ) -> (traceID: TraceID, spanID: SpanID, isSampled: Bool)? {
        let dash = UInt8(ascii: "-")
        guard
            text.count >= 55, text[2] == dash, text[35] == dash, text[52] == dash,
            let version = number(text[0..<2]), version != 0xFF,
            version == 0 ? text.count == 55 : text.count == 55 || text[55] == dash,
            let high = number(text[3..<19]), let low = number(text[19..<35]),
            let traceID = TraceID(high: high, low: low),
            let spanID = number(text[36..<52]).flatMap({ SpanID($0) }),
            let flags = number(text[53..<55])
        else { return nil }
        return (traceID, spanID, flags & 1 == 1)
    }

    /// Up to 16 hexadecimal digits, lower case as the standard wants them.
    private static func number(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> UInt64? {
        var number: UInt64 = 0
        for digit in digits {
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return number
    }

    private static func bounded(_ state: String) -> String? {
        var state = Substring(state)
        guard !state.isEmpty, state.utf8.allSatisfy({ (0x20...0x7E).contains($0) || $0 == 0x09 }) else { return nil }
        while state.utf8.count > maximumStateBytes {
            guard let comma = state.lastIndex(of: ",") else { return nil }
            state = state[..<comma]
        }
        return state.isEmpty ? nil : String(state)
    }
}

extension ServiceContext {
    private enum TraceKey: ServiceContextKey {
        typealias Value = TraceContext
        static var nameOverride: String? { TraceContext.Header.parent }
    }

    /// The place in a trace that work is done at; nil outside of one.
    package var trace: TraceContext? {
        get { self[TraceKey.self] }
        set { self[TraceKey.self] = newValue }
    }
}
