import JSON
import Tracing

/// Spans as the body of an OTLP/HTTP request in JSON.
///
/// It is protobuf's JSON of `ExportTraceServiceRequest`, but that ids are hexadecimal:
/// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
package struct OTLPDocument: Sendable {
    /// What all spans have in common, and who made them.
    private let head: [UInt8]

    /// `instance` tells this process from others of the same service.
    package init(service: String, version: String, instance: String) {
        var writer = JSONWriter()
        writer.raw("{\"resourceSpans\":[{\"resource\":{\"attributes\":")
        writer.attributes([
            ("service.name", .string(service)), ("service.version", .string(version)),
            ("service.instance.id", .string(instance)),
        ])
        writer.raw("},\"scopeSpans\":[{\"scope\":{\"name\":")
        writer.string(service)
        writer.raw(",\"version\":")
        writer.string(version)
        writer.raw("},\"spans\":")
        head = writer.bytes
    }

    package func body(_ spans: some Collection<FinishedSpan>) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: head.count + 640 * spans.count)
        writer.bytes += head
        writer.list(spans) { writer, span in writer.span(span) }
        writer.raw("}]}]}")
        return writer.bytes
    }
}

extension JSONWriter {
    fileprivate mutating func span(_ span: FinishedSpan) {
        raw("{\"traceId\":")
        string(span.traceID.hexadecimal)
        raw(",\"spanId\":")
        string(span.spanID.hexadecimal)
        if let parent = span.parent {
            raw(",\"parentSpanId\":")
            string(parent.hexadecimal)
        }
        raw(",\"name\":")
        string(span.name)
        raw(",\"kind\":")
        integer(span.kind.number)
        raw(",\"startTimeUnixNano\":")
        string(String(span.start))
        raw(",\"endTimeUnixNano\":")
        string(String(span.end))
        raw(",\"attributes\":")
        attributes(span.attributes)
        if !span.events.isEmpty {
            raw(",\"events\":")
            list(span.events) { writer, event in
                writer.raw("{\"timeUnixNano\":")
                writer.string(String(event.time))
                writer.raw(",\"name\":")
                writer.string(event.name)
                writer.raw(",\"attributes\":")
                writer.attributes(event.attributes)
                writer.raw("}")
            }
        }
        if !span.links.isEmpty {
            raw(",\"links\":")
            list(span.links) { writer, link in
                writer.raw("{\"traceId\":")
                writer.string(link.traceID.hexadecimal)
                writer.raw(",\"spanId\":")
                writer.string(link.spanID.hexadecimal)
                writer.raw("}")
            }
        }
        raw(",\"status\":{")
        if let status = span.status {
            raw("\"code\":")
            integer(status.number)
        }
        raw("}}")
    }

    fileprivate mutating func attributes(_ attributes: [FinishedSpan.Attribute]) {
        list(attributes) { writer, attribute in
            writer.raw("{\"key\":")
            writer.string(attribute.name)
            writer.raw(",\"value\":")
            writer.attribute(attribute.value)
            writer.raw("}")
        }
    }

    private mutating func attribute(_ value: SpanAttribute) {
        switch value {
        case .int32(let number): integerValue(Int(number))
        case .int64(let number): integerValue(Int(number))
        case .bool(let bool):
            raw("{\"boolValue\":")
            self.bool(bool)
            raw("}")
        case .double(let number): doubleValue(number)
        case .string(let text): stringValue(text)
        case .int32Array(let numbers): arrayValue(numbers) { $0.integerValue(Int($1)) }
        case .int64Array(let numbers): arrayValue(numbers) { $0.integerValue(Int($1)) }
        case .doubleArray(let numbers): arrayValue(numbers) { $0.doubleValue($1) }
        case .boolArray(let values): arrayValue(values) { $0.attribute(.bool($1)) }
        case .stringArray(let texts): arrayValue(texts) { $0.stringValue($1) }
        case .stringConvertible(let value): stringValue(value.description)
        case .stringConvertibleArray(let values): arrayValue(values) { $0.stringValue($1.description) }
        default: raw("{}")
        }
    }

    /// 64-bit integers are strings in protobuf's JSON.
    private mutating func integerValue(_ number: Int) {
        raw("{\"intValue\":")
        string(String(number))
        raw("}")
    }

    private mutating func doubleValue(_ number: Double) {
        raw("{\"doubleValue\":")
        if number.isFinite {
            bytes.append(contentsOf: number.description.utf8)
        } else if number.isNaN {
            raw("\"NaN\"")
        } else if number < 0 {
            raw("\"-Infinity\"")
        } else {
            raw("\"Infinity\"")
        }
        raw("}")
    }

    private mutating func stringValue(_ text: String) {
        raw("{\"stringValue\":")
        string(text)
        raw("}")
    }

    private mutating func arrayValue<Element>(
        _ elements: [Element],
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        raw("{\"arrayValue\":{\"values\":")
        list(elements, write)
        raw("}}")
    }

    fileprivate mutating func list<Element>(
        _ elements: some Collection<Element>,
        _ write: (inout JSONWriter, Element) -> Void
    ) {
        raw("[")
        var isFirst = true
        for element in elements {
            if !isFirst { raw(",") }
            isFirst = false
            write(&self, element)
        }
        raw("]")
    }
}

extension SpanKind {
    /// As the protocol numbers them.
    fileprivate var number: Int {
        switch self {
        case .internal: 1
        case .server: 2
        case .client: 3
        case .producer: 4
        case .consumer: 5
        }
    }
}

extension SpanStatus.Code {
    fileprivate var number: Int {
        switch self {
        case .ok: 1
        case .error: 2
        }
    }
}
