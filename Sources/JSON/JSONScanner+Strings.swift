extension JSONScanner {
    /// Where a string is in the document.
    struct StringToken {
        /// The bytes between the quotes.
        let content: Range<Int>
        /// Whether `content` must be unescaped to be read.
        let hasEscapes: Bool
    }

    /// Checks the string whose opening quote is at the position and moves past its closing quote.
    mutating func scanString() throws(JSONError) -> StringToken {
        let start = position
        var index = start + 1
        var hasEscapes = false
        while true {
            index = bytes.endOfPlainASCII(from: index)
            guard index < bytes.count else { throw failure(.unterminatedString, at: start) }
            let byte = bytes[index]
            if byte == .quote { break }
            if byte == .backslash {
                index = try endOfEscape(at: index, inStringAt: start)
                hasEscapes = true
            } else if byte >= 0x80 {
                index = try endOfMultibyteRun(at: index)
            } else {
                throw failure(.controlCharacter, at: index)
            }
        }
        position = index + 1
        return StringToken(content: start + 1..<index, hasEscapes: hasEscapes)
    }

    /// Checks one escape sequence, whose backslash is at `index`.
    private func endOfEscape(at index: Int, inStringAt start: Int) throws(JSONError) -> Int {
        guard index + 1 < bytes.count else { throw failure(.unterminatedString, at: start) }
        switch bytes[index + 1] {
        case .quote, .backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            return index + 2
        case UInt8(ascii: "u"):
            // CPython wants a byte after the four digits before it looks at them: a document that ends there has an
            // invalid escape, not an unterminated string.
            guard index + 6 < bytes.count, bytes.hexadecimalQuad(at: index + 2) != nil else {
                throw failure(.invalidUnicodeEscape, at: index + 1)
            }
            return index + 6
        default:
            throw failure(.invalidEscape, at: index)
        }
    }

    /// Checks UTF-8 from the non-ASCII byte at `index` to the next ASCII byte or the end.
    ///
    /// The table is number 3-7 of the Unicode Standard: no overlong forms, no surrogates, nothing above U+10FFFF.
    private func endOfMultibyteRun(at index: Int) throws(JSONError) -> Int {
        var index = index
        while index < bytes.count, bytes[index] >= 0x80 {
            let second: ClosedRange<UInt8>
            let length: Int
            switch bytes[index] {
            case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
            case 0xE0: (length, second) = (3, 0xA0...0xBF)
            case 0xED: (length, second) = (3, 0x80...0x9F)
            case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
            case 0xF0: (length, second) = (4, 0x90...0xBF)
            case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
            case 0xF4: (length, second) = (4, 0x80...0x8F)
            default: throw failure(.invalidUTF8, at: index)
            }
            guard index + length <= bytes.count, second.contains(bytes[index + 1]) else {
                throw failure(.invalidUTF8, at: index)
            }
            for offset in 2..<max(length, 2) where bytes[index + offset] & 0xC0 != 0x80 {
                throw failure(.invalidUTF8, at: index)
            }
            index += length
        }
        return index
    }

    /// The bytes a string stands for, as WTF-8: a lone surrogate becomes its three bytes.
    ///
    /// `content` has been scanned: every escape in it is well-formed.
    static func unescape(_ content: UnsafeRawBufferPointer) -> [UInt8] {
        // No escape is longer than what it is written as, so the content's length is enough.
        [UInt8](unsafeUninitializedCapacity: content.count) { output, count in
            var index = 0
            while index < content.count {
                guard content[index] == .backslash else {
                    output[count] = content[index]
                    count += 1
                    index += 1
                    continue
                }
                let (scalar, length) = decodeEscape(in: content, at: index)
                index += length
                appendWTF8(scalar, to: output, at: &count)
            }
        }
    }

    /// The code point of one escape, surrogate pairs joined, and how many bytes it takes.
    private static func decodeEscape(in content: UnsafeRawBufferPointer, at index: Int) -> (UInt32, length: Int) {
        switch content[index + 1] {
        case UInt8(ascii: "b"): return (0x08, 2)
        case UInt8(ascii: "f"): return (0x0C, 2)
        case UInt8(ascii: "n"): return (0x0A, 2)
        case UInt8(ascii: "r"): return (0x0D, 2)
        case UInt8(ascii: "t"): return (0x09, 2)
        case UInt8(ascii: "u"): break
        case let itself: return (UInt32(itself), 2)
        }
        let first = content.hexadecimalQuad(at: index + 2) ?? 0
        guard (0xD800...0xDBFF).contains(first), index + 12 <= content.count,
            content[index + 6] == .backslash, content[index + 7] == UInt8(ascii: "u"),
            let second = content.hexadecimalQuad(at: index + 8), (0xDC00...0xDFFF).contains(second)
        else {
            return (first, 6)
        }
        return (0x10000 + (first - 0xD800) << 10 + (second - 0xDC00), 12)
    }

    private static func appendWTF8(_ scalar: UInt32, to output: UnsafeMutableBufferPointer<UInt8>, at count: inout Int)
    {
        func append(_ byte: UInt32) {
            output[count] = UInt8(truncatingIfNeeded: byte)
            count += 1
        }
        switch scalar {
        case ..<0x80:
            append(scalar)
        case ..<0x800:
            append(0xC0 | scalar >> 6)
            append(0x80 | scalar & 0x3F)
        case ..<0x10000:
            append(0xE0 | scalar >> 12)
            append(0x80 | scalar >> 6 & 0x3F)
            append(0x80 | scalar & 0x3F)
        default:
            append(0xF0 | scalar >> 18)
            append(0x80 | scalar >> 12 & 0x3F)
            append(0x80 | scalar >> 6 & 0x3F)
            append(0x80 | scalar & 0x3F)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The first index from `start` on whose byte is a quote, a backslash, a control or not ASCII, else `count`.
    ///
    /// Eight bytes at a time: subtracting sets the top bit of the first byte that is below what is subtracted, and only
    /// bytes after it can be wrong because of the borrow.
    /// https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
    @inline(__always)
    func endOfPlainASCII(from start: Int) -> Int {
        var index = start
        while index + 8 <= count {
            let word = UInt64(littleEndian: loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let found = word.bytesToEscape | word & .topBits
            if found != 0 { return index + found.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < count {
            let byte = self[index]
            if byte < .space || byte >= 0x80 || byte == .quote || byte == .backslash { break }
            index += 1
        }
        return index
    }

    /// The first index from `start` on whose byte a JSON string cannot hold as it is, or `count`.
    func endOfUnescaped(from start: Int) -> Int {
        var index = start
        while index + 8 <= count {
            let word = UInt64(littleEndian: loadUnaligned(fromByteOffset: index, as: UInt64.self))
            let found = word.bytesToEscape & ~word
            if found != 0 { return index + found.trailingZeroBitCount >> 3 }
            index += 8
        }
        while index < count {
            let byte = self[index]
            if byte < .space || byte == .quote || byte == .backslash { break }
            index += 1
        }
        return index
    }

    /// The value of the four hexadecimal digits at `index`, nil when they are not.
    func hexadecimalQuad(at index: Int) -> UInt32? {
        var value: UInt32 = 0
        for byte in self[index..<index + 4] {
            guard let digit = byte.hexadecimalValue else { return nil }
            value = value << 4 | digit
        }
        return value
    }
}

extension UInt64 {
    fileprivate static var topBits: UInt64 { 0x8080_8080_8080_8080 }

    /// Top bits of the bytes that are quotes, backslashes or below 0x20; only the lowest is exact, and only if ASCII.
    fileprivate var bytesToEscape: UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = (self ^ (ones &* 0x22)) &- ones
        let backslashes = (self ^ (ones &* 0x5C)) &- ones
        let controls = self &- (ones &* 0x20)
        return (quotes | backslashes | controls) & .topBits
    }
}
