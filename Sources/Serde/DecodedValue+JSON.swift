package import JSON

/// The form of `--json`, which docs/inspect.md documents.
///
/// What JSON has is itself. Everything else is an object with a member whose name begins with `$`; a name of a value's
/// own that begins so gets a second one.
extension DecodedValue {
    package var json: JSONValue {
        switch self {
        case .null: return .null
        case .bool(let value): return .bool(value)
        case .number(let number): return .number(number)
        case .notFinite(let name): return ["$float": .string(JSONString(name))]
        case .text(let text): return .string(text)
        case .bytes(let bytes): return ["$bytes": .base64(bytes)]
        case .array(let elements): return .array(elements.map(\.json))
        case .map(let entries): return Self.json(of: entries)
        case .object(let type, let content): return Self.json(of: content, type)
        case .secret(let type, _): return ["$type": .string(JSONString(type)), "$value": .string(Self.mask)]
        case .numbers(let array): return array.json
        case .snapshot(let value): return ["$snapshot": value.json]
        case .unknown(let code, let bytes): return ["$ext": .number(JSONNumber(Int(code))), "hex": .hex(bytes)]
        case .opaque(let value):
            return [
                "$opaque": .string(JSONString(value.name)),
                "size": .number(JSONNumber(value.bytes.count)),
                "note": .string(JSONString(value.note)),
            ]
        case .cut(let what): return ["$cut": .string(JSONString(what))]
        }
    }

    /// What stands in the place of a secret.
    package static let mask: JSONString = "**********"

    private static func json(of content: DecodedContent, _ type: String) -> JSONValue {
        let name = JSONMember(name: "$type", value: .string(JSONString(type)))
        switch content {
        case .value(let value): return .object([name, JSONMember(name: "$value", value: value.json)])
        case .arguments(let values):
            return .object([name, JSONMember(name: "$args", value: .array(values.map(\.json)))])
        case .fields(let entries):
            let fields = members(of: entries) ?? [JSONMember(name: "$fields", value: json(of: entries))]
            return .object([name] + fields)
        }
    }

    private static func json(of entries: [DecodedEntry]) -> JSONValue {
        if let members = members(of: entries) { return .object(members) }
        return ["$map": .array(entries.map { [$0.key.json, $0.value.json] })]
    }

    /// Nil when a key is not a text, or is there twice.
    private static func members(of entries: [DecodedEntry]) -> [JSONMember]? {
        var members: [JSONMember] = []
        var names: Set<JSONString> = []
        for entry in entries {
            guard case .text(let name) = entry.key, names.insert(name).inserted else { return nil }
            let isTaken = name.wtf8.first == UInt8(ascii: "$")
            let shown = isTaken ? name.string.map { JSONString("$" + $0) } ?? name : name
            members.append(JSONMember(name: shown, value: entry.value.json))
        }
        return members
    }
}

extension NumberArray {
    /// How many numbers are spelled out.
    private static let shown = 16

    fileprivate var json: JSONValue {
        [
            "$type": "numpy.ndarray",
            "dtype": .string(JSONString(type)),
            "shape": .array(shape.map { .number(JSONNumber($0)) }),
            "order": .string(JSONString(order)),
            "first": .array(first(Self.shown).map(\.json)),
            "data": ["$bytes": .base64(bytes)],
        ]
    }
}

extension DecodedValue {
    /// A value that is JSON already.
    package init(_ value: JSONValue, limits: DecodingLimits = DecodingLimits()) {
        self.init(value, depth: limits.depth)
    }

    private init(_ value: JSONValue, depth: Int) {
        switch value {
        case .null: self = .null
        case .bool(let value): self = .bool(value)
        case .number(let number): self = .number(number)
        case .string(let text): self = .text(text)
        case .array where depth == 0, .object where depth == 0: self = .cut("nested too deeply")
        case .array(let elements): self = .array(elements.map { DecodedValue($0, depth: depth - 1) })
        case .object(let members):
            self = .map(members.map { DecodedEntry(.text($0.name), DecodedValue($0.value, depth: depth - 1)) })
        }
    }
}

extension JSONValue {
    fileprivate static func base64(_ bytes: [UInt8]) -> JSONValue {
        let text = [UInt8](unsafeUninitializedCapacity: Base64.encodedCount(bytes.count)) { output, count in
            count = Base64.encodedCount(bytes.count)
            bytes.withUnsafeBytes { Base64.encode($0, into: UnsafeMutableRawBufferPointer(output)) }
        }
        return .string(JSONString(String(decoding: text, as: UTF8.self)))
    }

    fileprivate static func hex(_ bytes: [UInt8]) -> JSONValue {
        .string(JSONString(bytes.hex))
    }
}

extension Collection<UInt8> {
    /// Two digits a byte.
    package var hex: String {
        var text = ""
        for byte in self {
            if byte < 16 { text.append("0") }
            text.append(String(byte, radix: 16))
        }
        return text
    }
}
