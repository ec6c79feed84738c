import JSON

extension JSONValue {
    /// What Python's `str()` prints for this value once PostgreSQL's `jsonb` has held it.
    ///
    /// The API's clients and its first server are Python over `jsonb`: a channel version that is not a string
    /// names its blob by this text. `jsonb` keeps the last of equal keys and orders them by length, then bytes.
    /// https://www.postgresql.org/docs/15/datatype-json.html
    var pythonText: String {
        switch self {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .number(let number): number.pythonText
        case .string(let string): Self.pythonRepresentation(of: string)
        case .array(let elements): "[" + elements.map(\.pythonText).joined(separator: ", ") + "]"
        case .object(let members): Self.pythonRepresentation(of: members)
        }
    }

    private static func pythonRepresentation(of members: [JSONMember]) -> String {
        var values: [[UInt8]: JSONValue] = [:]
        for member in members {
            values[member.name.wtf8] = member.value
        }
        let ordered = values.sorted { left, right in
            left.key.count != right.key.count
                ? left.key.count < right.key.count
                : left.key.lexicographicallyPrecedes(right.key)
        }
        let texts = ordered.map { name, value in
            "\(pythonRepresentation(ofWTF8: name)): \(value.pythonText)"
        }
        return "{" + texts.joined(separator: ", ") + "}"
    }

    private static func pythonRepresentation(of string: JSONString) -> String {
        pythonRepresentation(ofWTF8: string.wtf8)
    }

    /// `repr()` of a string: single quotes unless only double ones avoid an escape.
    private static func pythonRepresentation(ofWTF8 bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        let quote: Unicode.Scalar =
            text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
        var result = String.UnicodeScalarView()
        result.append(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\", quote:
                result.append("\\")
                result.append(scalar)
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            case _ where scalar.isPrintableInPython: result.append(scalar)
            default: result.append(contentsOf: scalar.pythonEscape.unicodeScalars)
            }
        }
        result.append(quote)
        return String(result)
    }
}

extension Unicode.Scalar {
    /// `str.isprintable()`: no control, format, surrogate, private, unassigned or separator but the space.
    fileprivate var isPrintableInPython: Bool {
        switch properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: self == " "
        default: true
        }
    }

    fileprivate var pythonEscape: String {
        let digits = String(value, radix: 16)
        func padded(_ width: Int) -> String { String(repeating: "0", count: max(0, width - digits.count)) + digits }
        return switch value {
        case ..<0x100: "\\x" + padded(2)
        case ..<0x1_0000: "\\u" + padded(4)
        default: "\\U" + padded(8)
        }
    }
}
