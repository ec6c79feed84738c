import JSON

/// Decodes one msgpack document, LangGraph's extensions 0 to 7 included.
///
/// The data of an extension is a document of its own. One that cannot be read is shown as damaged, and what is around
/// it is decoded all the same: its length is known.
struct MessagePackDecoding {
    typealias Failure = MessagePackReader.Failure

    private let bytes: [UInt8]
    private let limits: DecodingLimits
    private var reader: MessagePackReader
    private var valuesLeft: Int

    init(_ bytes: [UInt8], limits: DecodingLimits) {
        self.bytes = bytes
        self.limits = limits
        reader = MessagePackReader(bytes)
        valuesLeft = limits.values
    }

    mutating func document(depth: Int = 0) throws(Failure) -> DecodedValue {
        let value = try value(depth: depth)
        guard reader.isAtEnd else { throw Failure(detail: "bytes follow its end") }
        return value
    }

    private mutating func value(depth: Int) throws(Failure) -> DecodedValue {
        guard depth < limits.depth else {
            return .cut("\(try reader.skip().count) bytes nested deeper than \(limits.depth) levels")
        }
        guard valuesLeft > 0 else { return .cut("\(try reader.skip().count) bytes more") }
        valuesLeft -= 1
        switch try reader.next() {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .integer(let value): return .number(JSONNumber(trusted: String(value)))
        case .unsigned(let value): return .number(JSONNumber(trusted: String(value)))
        case .float(let value): return DecodedValue(value)
        case .text(let range): return text(range)
        case .binary(let range): return .bytes(Array(bytes[range]))
        case .array(let count): return .array(try array(count, depth: depth))
        case .map(let count): return .map(try map(count, depth: depth))
        case .extended(let code, let range): return extended(code, range, depth: depth)
        }
    }

    /// A text that is not UTF-8 is shown as the bytes it is.
    private func text(_ range: Range<Int>) -> DecodedValue {
        String(validating: bytes[range], as: UTF8.self).map { DecodedValue($0) } ?? .bytes(Array(bytes[range]))
    }

    private mutating func array(_ count: Int, depth: Int) throws(Failure) -> [DecodedValue] {
        var elements: [DecodedValue] = []
        for index in 0..<count {
            guard valuesLeft > 0 else {
                for _ in index..<count { _ = try reader.skip() }
                return elements + [.cut("\(count - index) more")]
            }
            elements.append(try value(depth: depth + 1))
        }
        return elements
    }

    private mutating func map(_ count: Int, depth: Int) throws(Failure) -> [DecodedEntry] {
        var entries: [DecodedEntry] = []
        for index in 0..<count {
            guard valuesLeft > 0 else {
                for _ in index * 2..<count * 2 { _ = try reader.skip() }
                return entries + [DecodedEntry(.cut("\(count - index) more"), .null)]
            }
            let key = try value(depth: depth + 1)
            entries.append(DecodedEntry(key, try value(depth: depth + 1)))
        }
        return entries
    }
}

// MARK: - Extensions

extension MessagePackDecoding {
    private mutating func extended(_ code: Int8, _ range: Range<Int>, depth: Int) -> DecodedValue {
        guard (0...7).contains(code) else { return .unknown(code: code, Array(bytes[range])) }
        let outer = reader
        defer { reader = outer }
        reader = MessagePackReader(bytes, in: range)
        do {
            switch code {
            case 6: return try numbers(depth: depth + 1)
            case 7: return .snapshot(try document(depth: depth + 1))
            default: return try object(code, range, depth: depth + 1)
            }
        } catch {
            let detail = "an object (extension \(code)) that cannot be read: \(error.detail)"
            return .opaque(OpaqueValue(.damaged(detail), Array(bytes[range])))
        }
    }

    /// Codes 0 to 5: `[module, name, what it is made from, …]`; what follows is the name of a method.
    private mutating func object(_ code: Int8, _ range: Range<Int>, depth: Int) throws(Failure) -> DecodedValue {
        guard case .array(let count) = try reader.next(), count >= 3 else {
            throw Failure(detail: "it is not made from a type and a value")
        }
        let module = try reader.key()
        let name = try reader.key()
        let type = module.isEmpty ? name : "\(module).\(name)"
        if Self.secretTypes.contains(name) {
            // Before anything of it is decoded.
            return .secret(type: type, fingerprint: bytes[range].hashValue)
        }
        let content = try value(depth: depth)
        for _ in 3..<count { _ = try reader.skip() }
        guard reader.isAtEnd else { throw Failure(detail: "bytes follow its end") }
        switch (code, content) {
        case (1, .array(let arguments)): return .object(type: type, .arguments(arguments))
        case (2, .map(let fields)), (4, .map(let fields)), (5, .map(let fields)):
            return .object(type: type, .fields(fields))
        case (0, .text(let digits)) where type == "uuid.UUID":
            return .object(type: type, .value(.text(Self.hyphenated(digits))))
        default: return .object(type: type, .value(content))
        }
    }

    /// Pydantic's types, which serialise in clear what they hide when they are printed.
    private static let secretTypes: Set<String> = ["SecretStr", "SecretBytes", "Secret"]

    /// A UUID as it is written, from its 32 digits.
    private static func hyphenated(_ digits: JSONString) -> JSONString {
        guard digits.wtf8.count == 32, let text = digits.string, text.utf8.count == text.count else { return digits }
        var written = ""
        for (place, digit) in text.enumerated() {
            if [8, 12, 16, 20].contains(place) { written.append("-") }
            written.append(digit)
        }
        return JSONString(written)
    }

    /// Code 6: `[dtype, shape, order, bytes]`.
    private mutating func numbers(depth: Int) throws(Failure) -> DecodedValue {
        guard case .array(4) = try reader.next() else { throw Failure(detail: "it is not an array of numbers") }
        let type = try reader.key()
        guard case .array(let dimensions) = try value(depth: depth) else { throw Failure(detail: "it has no shape") }
        let order = try reader.key()
        guard case .binary(let range) = try reader.next(), reader.isAtEnd else {
            throw Failure(detail: "it has no numbers")
        }
        let shape = dimensions.map { dimension in
            if case .number(let number) = dimension { number.int ?? -1 } else { -1 }
        }
        return .numbers(NumberArray(type: type, shape: shape, order: order, bytes: Array(bytes[range])))
    }
}

extension DecodedValue {
    /// A number, or what JSON has none for.
    init(_ value: Double) {
        self =
            value.isFinite
            ? .number(JSONNumber(trusted: value.description))
            : .notFinite(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
    }
}
