extension JSONValue {
    /// Parses one JSON value, white space around it allowed.
    package init(parsing bytes: [UInt8], limits: JSONLimits = .default) throws(JSONError) {
        self = try bytes.withUnsafeBufferPointer { (buffer) throws(JSONError) in
            try JSONValue(parsing: UnsafeRawBufferPointer(buffer), limits: limits)
        }
    }

    /// Parses one JSON value, white space around it allowed; the value keeps nothing of the pointer.
    package init(parsing bytes: UnsafeRawBufferPointer, limits: JSONLimits = .default) throws(JSONError) {
        var parser = JSONParser(scanner: JSONScanner(bytes, limits: limits))
        parser.scanner.skipWhitespace()
        self = try parser.parseValue()
        try parser.scanner.finish()
    }
}

/// Builds values from what the scanner finds, recursing once per container; the scanner bounds the depth.
private struct JSONParser {
    var scanner: JSONScanner

    mutating func parseValue() throws(JSONError) -> JSONValue {
        switch scanner.current {
        case .openBrace: return try parseObject()
        case .openBracket: return try parseArray()
        case .quote: return .string(string(try scanner.scanString()))
        case UInt8(ascii: "t"):
            try scanner.skipLiteral("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try scanner.skipLiteral("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try scanner.skipLiteral("null")
            return .null
        default:
            let start = scanner.position
            try scanner.scanNumber()
            let text = String(decoding: scanner.bytes[start..<scanner.position], as: UTF8.self)
            return .number(JSONNumber(trusted: text))
        }
    }

    private mutating func parseObject() throws(JSONError) -> JSONValue {
        guard try scanner.openObject() else { return .object([]) }
        var members: [JSONMember] = []
        repeat {
            let name = string(try scanner.scanKey())
            members.append(JSONMember(name: name, value: try parseValue()))
        } while try scanner.continueObject()
        return .object(members)
    }

    private mutating func parseArray() throws(JSONError) -> JSONValue {
        guard try scanner.openArray() else { return .array([]) }
        var elements: [JSONValue] = []
        repeat {
            elements.append(try parseValue())
        } while try scanner.continueArray()
        return .array(elements)
    }

    private func string(_ token: JSONScanner.StringToken) -> JSONString {
        let content = UnsafeRawBufferPointer(rebasing: scanner.bytes[token.content])
        return JSONString(wtf8: token.hasEscapes ? JSONScanner.unescape(content) : [UInt8](content))
    }
}
