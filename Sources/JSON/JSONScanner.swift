/// A cursor over the bytes of one document, and the only place that knows JSON's grammar.
///
/// Values, shaped documents and plain validation are all written with its steps: `openObject`, `scanKey`,
/// `continueObject`, and so on. Wherever a step is said to stand at a value, white space before it has been skipped and
/// nothing else has been checked.
///
/// It reads through `UnsafeRawBufferPointer` because that is checked in debug builds and costs nothing in release
/// builds; it must not outlive the bytes.
struct JSONScanner {
    let bytes: UnsafeRawBufferPointer
    let limits: JSONLimits

    /// Whether numbers beyond a `Double` are noted in `sawUnrepresentableNumber` rather than refused.
    let notesUnrepresentableNumbers: Bool
    var sawUnrepresentableNumber = false

    var position = 0
    private var depth = 0
    /// Values that `skipValue` went past.
    private var skippedValues = 0

    init(_ bytes: UnsafeRawBufferPointer, limits: JSONLimits, notesUnrepresentableNumbers: Bool = false) {
        self.bytes = bytes
        self.limits = limits
        self.notesUnrepresentableNumbers = notesUnrepresentableNumbers
    }

    /// The byte at the position, 0 at the end: NUL is as wrong as the end wherever the grammar looks.
    var current: UInt8 {
        @inline(__always) get { position < bytes.count ? bytes[position] : 0 }
    }

    /// Checks that only white space follows.
    mutating func finish() throws(JSONError) {
        skipWhitespace()
        guard position == bytes.count else { throw failure(.trailingData, at: position) }
    }

    /// The error at a byte offset; counts the characters before it, so it is made only to be thrown.
    @inline(never)
    func failure(_ kind: JSONError.Kind, at offset: Int) -> JSONError {
        var characters = 0
        for byte in bytes[..<offset] where byte & 0xC0 != 0x80 {
            characters += 1
        }
        return JSONError(kind: kind, offset: offset, characterOffset: characters)
    }

    @inline(__always)
    mutating func skipWhitespace() {
        guard position < bytes.count, bytes[position] <= .space else { return }
        skipWhitespaceRun()
    }

    private mutating func skipWhitespaceRun() {
        while position < bytes.count {
            switch bytes[position] {
            case .space, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
            // Indented documents: eight spaces at once.
            while position + 8 <= bytes.count,
                bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) == 0x2020_2020_2020_2020
            {
                position += 8
            }
        }
    }
}

// MARK: - Containers

extension JSONScanner {
    /// Enters the object at the position: true at its first key, false when it was empty and is consumed.
    mutating func openObject() throws(JSONError) -> Bool {
        try open()
        guard current == .closeBrace else { return true }
        close()
        return false
    }

    /// Enters the array at the position: true at its first value, false when it was empty and is consumed.
    mutating func openArray() throws(JSONError) -> Bool {
        try open()
        guard current == .closeBracket else { return true }
        close()
        return false
    }

    /// Goes on after a member's value: true at the next key, false past the closing brace.
    mutating func continueObject() throws(JSONError) -> Bool {
        try continueContainer(closing: .closeBrace)
    }

    /// Goes on after an element: true at the next value, false past the closing bracket.
    mutating func continueArray() throws(JSONError) -> Bool {
        try continueContainer(closing: .closeBracket)
    }

    /// Consumes a key and its colon, and stands at the value.
    mutating func scanKey() throws(JSONError) -> StringToken {
        guard current == .quote else { throw failure(.expectedKey, at: position) }
        let key = try scanString()
        skipWhitespace()
        guard current == .colon else { throw failure(.expectedColon, at: position) }
        position += 1
        skipWhitespace()
        return key
    }

    private mutating func open() throws(JSONError) {
        guard depth < limits.maximumDepth else { throw failure(.tooDeep, at: position) }
        depth += 1
        position += 1
        skipWhitespace()
    }

    private mutating func close() {
        depth -= 1
        position += 1
    }

    @inline(__always)
    private mutating func continueContainer(closing: UInt8) throws(JSONError) -> Bool {
        skipWhitespace()
        let byte = current
        if byte == .comma {
            position += 1
            skipWhitespace()
            return true
        }
        guard byte == closing else { throw failure(.expectedComma, at: position) }
        close()
        return false
    }
}

// MARK: - Values

extension JSONScanner {
    /// Checks the value at the position and moves past it, without recursion and without allocating below 64 levels.
    mutating func skipValue() throws(JSONError) {
        var open = OpenContainers()
        while true {
            guard skippedValues < limits.maximumOtherValues else { throw failure(.tooManyValues, at: position) }
            skippedValues += 1
            switch current {
            case .openBrace:
                if try openObject() {
                    open.push(isObject: true)
                    _ = try scanKey()
                    continue
                }
            case .openBracket:
                if try openArray() {
                    open.push(isObject: false)
                    continue
                }
            default:
                try skipScalar()
            }
            guard try skipToNextValue(in: &open) else { return }
        }
    }

    /// Closes what ends here: true at the next value of the innermost container, false when none is left open.
    @inline(__always)
    private mutating func skipToNextValue(in open: inout OpenContainers) throws(JSONError) -> Bool {
        while !open.isEmpty {
            if open.innermostIsObject {
                if try continueObject() {
                    _ = try scanKey()
                    return true
                }
            } else if try continueArray() {
                return true
            }
            open.pop()
        }
        return false
    }

    /// Checks the string, number or literal at the position and moves past it.
    @inline(__always)
    mutating func skipScalar() throws(JSONError) {
        switch current {
        case .quote: _ = try scanString()
        case UInt8(ascii: "t"): try skipLiteral("true")
        case UInt8(ascii: "f"): try skipLiteral("false")
        case UInt8(ascii: "n"): try skipLiteral("null")
        default: try scanNumber()
        }
    }

    mutating func skipLiteral(_ literal: StaticString) throws(JSONError) {
        guard skip(literal) else { throw failure(.expectedValue, at: position) }
    }

    /// Moves past `NaN`, `Infinity` or `-Infinity`; false when none of them is at the position.
    mutating func skipNonFinite() -> Bool {
        skip("NaN") || skip("Infinity") || skip("-Infinity")
    }

    private mutating func skip(_ literal: StaticString) -> Bool {
        let length = literal.utf8CodeUnitCount
        guard position + length <= bytes.count else { return false }
        for index in 0..<length where bytes[position + index] != literal.utf8Start[index] {
            return false
        }
        position += length
        return true
    }
}

/// Which containers are open, innermost last: one bit each, 64 of them in place.
private struct OpenContainers {
    private var recent: UInt64 = 0
    private var older: [UInt64] = []
    private var count = 0

    var isEmpty: Bool { count == 0 }

    var innermostIsObject: Bool { recent & 1 == 1 }

    mutating func push(isObject: Bool) {
        if count & 63 == 0, count > 0 {
            older.append(recent)
        }
        recent = recent << 1 | (isObject ? 1 : 0)
        count += 1
    }

    mutating func pop() {
        count -= 1
        recent >>= 1
        if count & 63 == 0, let saved = older.popLast() {
            recent = saved
        }
    }
}
