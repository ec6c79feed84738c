import JSON

/// What pydantic's lax mode takes for a whole number or a boolean.
///
/// https://docs.pydantic.dev/latest/concepts/conversion_table/
enum Coercion {
    /// Numbers past `Int` come back as `Int.min` or `Int.max`: every range that is asked for ends before those.
    static func integer(_ node: JSONNode, in document: JSONDocument) throws(Problem) -> Int {
        switch node.kind {
        case .true: return 1
        case .false: return 0
        case .nonFinite: throw .finite
        case .number: return try integer(document.number(of: node))
        case .string: return try integer(document.string(of: node))
        case .missing, .null, .array, .object: throw .integer
        }
    }

    /// `true`, `false`, 0, 1, and the usual words in any case, without white space around them.
    static func boolean(_ node: JSONNode, in document: JSONDocument) throws(Problem) -> Bool {
        switch node.kind {
        case .true: return true
        case .false: return false
        case .number:
            let number = document.number(of: node)
            // What is no 64-bit integer, as text or as a double, is no candidate at all.
            switch number.isInteger ? number.int : Int(exactly: number.double) {
            case 0: return false
            case 1: return true
            case nil: throw .boolean
            default: throw .booleanText
            }
        case .string:
            guard let word = document.utf8String(of: node) else { throw .booleanText }
            switch word.lowercased() {
            case "1", "on", "t", "true", "y", "yes": return true
            case "0", "off", "f", "false", "n", "no": return false
            default: throw .booleanText
            }
        case .missing, .nonFinite, .null, .array, .object: throw .boolean
        }
    }

    private static func integer(_ number: JSONNumber) throws(Problem) -> Int {
        if number.isInteger {
            return number.int ?? saturated(isNegative: number.text.hasPrefix("-"))
        }
        let value = number.double
        guard value.isFinite else { throw .finite }
        guard value == value.rounded(.towardZero) else { throw .fraction }
        guard let exact = Int(exactly: value), exact != .min else { throw .integerSize }
        return exact
    }

    /// `"1"`, `" 1 "`, `"+1"`, `"-1"`, `"007"`, `"1_000"` and `"1.0"`; not `"1.5"`, `"0x10"` or `""`.
    static func integer(_ string: JSONString) throws(Problem) -> Int {
        guard let text = string.string else { throw .unicode }
        guard text.utf8.count <= 4_300 else { throw .integerSize }
        var scalars = Substring(text).unicodeScalars
        while let first = scalars.first, first.properties.isWhitespace { scalars.removeFirst() }
        while let last = scalars.last, last.properties.isWhitespace { scalars.removeLast() }
        var isNegative = false
        if let sign = scalars.first, sign == "-" || sign == "+" {
            isNegative = sign == "-"
            scalars.removeFirst()
        }
        if let point = scalars.firstIndex(of: ".") {
            let decimals = scalars[scalars.index(after: point)...]
            guard !decimals.isEmpty, decimals.allSatisfy({ $0 == "0" }) else { throw .integerText }
            scalars = scalars[..<point]
        }
        guard
            let first = scalars.first, first != "_", scalars.last != "_", !Substring(scalars).contains("__"),
            scalars.allSatisfy({ ("0"..."9").contains($0) || $0 == "_" })
        else { throw .integerText }
        let digits = (isNegative ? "-" : "") + String(scalars.filter { $0 != "_" }.map(Character.init))
        return Int(digits) ?? saturated(isNegative: isNegative)
    }

    static func require(_ value: Int, in range: ClosedRange<Int>) throws(Problem) {
        if value < range.lowerBound { throw .atLeast(range.lowerBound) }
        if value > range.upperBound { throw .atMost(range.upperBound) }
    }

    private static func saturated(isNegative: Bool) -> Int {
        isNegative ? .min : .max
    }
}
