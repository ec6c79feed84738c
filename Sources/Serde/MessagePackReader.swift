package import JSON

/// Walks msgpack as ormsgpack writes it, the serialiser of LangGraph, without understanding its extension types.
///
/// It never trusts a length: damaged bytes end in a `Failure`. https://github.com/msgpack/msgpack/blob/master/spec.md
package struct MessagePackReader {
    package enum Token: Equatable {
        case null
        case bool(Bool)
        case integer(Int64)
        case unsigned(UInt64)
        case float(Double)
        case text(Range<Int>)
        case binary(Range<Int>)
        /// As many values follow.
        case array(Int)
        /// As many keys, each with its value, follow.
        case map(Int)
        case extended(code: Int8, Range<Int>)
    }

    /// What the bytes are that cannot be read, or have no form in JSON.
    package struct Failure: Error, Equatable {
        package let detail: String

        package init(detail: String) {
            self.detail = detail
        }
    }

    /// Containers within containers that a value may have: more than LangGraph's own reader takes.
    private static let maximumDepth = 1_000

    private let bytes: [UInt8]
    private let end: Int
    package private(set) var position: Int

    package init(_ bytes: [UInt8]) {
        self.init(bytes, in: bytes.indices)
    }

    /// Walks a part of `bytes`, such as what an extension holds; positions stay those in `bytes`.
    package init(_ bytes: [UInt8], in range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    package var isAtEnd: Bool { position == end }

    package mutating func next() throws(Failure) -> Token {
        let byte = try take(1).first ?? 0
        switch byte {
        case 0x00...0x7F: return .integer(Int64(byte))
        case 0x80...0x8F: return .map(Int(byte & 0x0F))
        case 0x90...0x9F: return .array(Int(byte & 0x0F))
        case 0xA0...0xBF: return .text(try range(Int(byte & 0x1F)))
        case 0xC0: return .null
        case 0xC2: return .bool(false)
        case 0xC3: return .bool(true)
        case 0xC4...0xC6: return .binary(try range(try length(1 << (byte - 0xC4))))
        case 0xC7...0xC9: return try extended(try length(1 << (byte - 0xC7)))
        case 0xCA: return .float(Double(Float(bitPattern: UInt32(truncatingIfNeeded: try number(4)))))
        case 0xCB: return .float(Double(bitPattern: try number(8)))
        case 0xCC...0xCF: return .unsigned(try number(1 << (byte - 0xCC)))
        case 0xD0...0xD3:
            let count = 1 << (byte - 0xD0)
            let unused = 64 - 8 * count
            return .integer(Int64(bitPattern: try number(count) << unused) >> unused)
        case 0xD4...0xD8: return try extended(1 << (byte - 0xD4))
        case 0xD9...0xDB: return .text(try range(try length(1 << (byte - 0xD9))))
        case 0xDC...0xDD: return .array(try length(2 << (byte - 0xDC)))
        case 0xDE...0xDF: return .map(try length(2 << (byte - 0xDE)))
        case 0xE0...0xFF: return .integer(Int64(Int8(bitPattern: byte)))
        default: throw Failure(detail: "a byte begins no value")
        }
    }

    /// The bytes of the next value, which is passed over.
    package mutating func skip() throws(Failure) -> Range<Int> {
        let start = position
        var left = 1
        while left > 0 {
            left -= 1
            switch try next() {
            case .array(let count): left += count
            case .map(let count): left += 2 * count
            default: break
            }
            // Each value has a byte at least.
            guard left <= end - position else { throw Failure(detail: "it ends in the middle") }
        }
        return start..<position
    }

    package func text(_ range: Range<Int>) throws(Failure) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw Failure(detail: "a text is not UTF-8")
        }
        return text
    }

    /// The next value, which must be a text.
    package mutating func key() throws(Failure) -> String {
        guard case .text(let range) = try next() else { throw Failure(detail: "a name is not a text") }
        return try text(range)
    }

    /// Writes the next value as JSON; throws when it has no form there.
    package mutating func writeJSON(to writer: inout JSONWriter, depth: Int = 0) throws(Failure) {
        guard depth < Self.maximumDepth else { throw Failure(detail: "it is nested too deeply") }
        switch try next() {
        case .null: writer.null()
        case .bool(let value): writer.bool(value)
        case .integer(let value): writer.bytes.append(contentsOf: String(value).utf8)
        case .unsigned(let value): writer.bytes.append(contentsOf: String(value).utf8)
        case .float(let value):
            guard value.isFinite else { throw Failure(detail: "a number is not finite") }
            writer.bytes.append(contentsOf: value.description.utf8)
        case .text(let range): writer.string(try text(range))
        case .binary: throw Failure(detail: "bytes have no form in JSON")
        case .extended(let code, _): throw Failure(detail: "an object (extension \(code)) has no form in JSON")
        case .array(let count):
            writer.raw("[")
            for index in 0..<count {
                if index > 0 { writer.raw(",") }
                try writeJSON(to: &writer, depth: depth + 1)
            }
            writer.raw("]")
        case .map(let count):
            writer.raw("{")
            for index in 0..<count {
                if index > 0 { writer.raw(",") }
                writer.string(try key())
                writer.raw(":")
                try writeJSON(to: &writer, depth: depth + 1)
            }
            writer.raw("}")
        }
    }

    private mutating func take(_ count: Int) throws(Failure) -> ArraySlice<UInt8> {
        bytes[try range(count)]
    }

    private mutating func range(_ count: Int) throws(Failure) -> Range<Int> {
        guard count <= end - position else { throw Failure(detail: "it ends in the middle") }
        defer { position += count }
        return position..<position + count
    }

    private mutating func number(_ count: Int) throws(Failure) -> UInt64 {
        try take(count).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Of four bytes at most.
    private mutating func length(_ count: Int) throws(Failure) -> Int {
        Int(truncatingIfNeeded: try number(count))
    }

    private mutating func extended(_ count: Int) throws(Failure) -> Token {
        let code = Int8(bitPattern: try take(1).first ?? 0)
        return .extended(code: code, try range(count))
    }
}
