/// Writes compact JSON, as Python's `json.dumps(value, separators=(",", ":"), ensure_ascii=False)` does.
///
/// It appends to one buffer and puts no commas or brackets on its own: structure is written with `raw`.
package struct JSONWriter: Sendable {
    /// What has been written so far.
    package var bytes: [UInt8] = []

    package init(reservingCapacity capacity: Int = 0) {
        bytes.reserveCapacity(capacity)
    }

    /// Writes a text exactly as it is.
    package mutating func raw(_ text: JSONText) {
        bytes.append(contentsOf: text.bytes)
    }

    /// Writes structural text such as `{"a":`.
    package mutating func raw(_ literal: StaticString) {
        // A literal of one scalar may have no storage to point to; this gives it some.
        literal.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Writes a string, quoted; only quotes, backslashes and control characters are escaped.
    package mutating func string(_ string: String) {
        var string = string
        bytes.append(.quote)
        string.withUTF8 { escaped(UnsafeRawBufferPointer($0)) }
        bytes.append(.quote)
    }

    /// Writes a string, quoted; lone surrogates are escaped too, as they have no UTF-8.
    package mutating func string(_ string: JSONString) {
        bytes.append(.quote)
        string.wtf8.withUnsafeBytes { wtf8 in
            var start = 0
            for surrogate in string.surrogates {
                escaped(UnsafeRawBufferPointer(rebasing: wtf8[start..<surrogate]))
                unicodeEscape(0xD000 | UInt16(wtf8[surrogate + 1] & 0x3F) << 6 | UInt16(wtf8[surrogate + 2] & 0x3F))
                start = surrogate + 3
            }
            escaped(UnsafeRawBufferPointer(rebasing: wtf8[start...]))
        }
        bytes.append(.quote)
    }

    package mutating func null() {
        raw("null")
    }

    package mutating func bool(_ value: Bool) {
        raw(value ? "true" : "false")
    }

    package mutating func integer(_ value: Int) {
        bytes.append(contentsOf: String(value).utf8)
    }

    /// Writes bytes as a quoted string of RFC 4648 §4 base64, padded.
    package mutating func base64(_ blob: [UInt8]) {
        bytes.append(.quote)
        let count = Base64.encodedCount(blob.count)
        // The encoder fills new space of the buffer in place: blobs are large, and a second copy would show.
        bytes.append(addingCapacity: count) { span in
            span.withUnsafeMutableBufferPointer { output, initialized in
                blob.withUnsafeBytes { Base64.encode($0, into: UnsafeMutableRawBufferPointer(output)) }
                initialized = count
            }
        }
        bytes.append(.quote)
    }

    /// Writes a whole value, recursing once per container.
    package mutating func value(_ value: JSONValue) {
        switch value {
        case .null: null()
        case .bool(let bool): self.bool(bool)
        case .number(let number): bytes.append(contentsOf: number.text.utf8)
        case .string(let string): self.string(string)
        case .array(let elements):
            bytes.append(.openBracket)
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(.comma) }
                self.value(element)
            }
            bytes.append(.closeBracket)
        case .object(let members):
            bytes.append(.openBrace)
            for (index, member) in members.enumerated() {
                if index > 0 { bytes.append(.comma) }
                string(member.name)
                bytes.append(.colon)
                self.value(member.value)
            }
            bytes.append(.closeBrace)
        }
    }
}

extension JSONWriter {
    /// Copies runs that need no escape whole.
    private mutating func escaped(_ utf8: UnsafeRawBufferPointer) {
        var start = 0
        while true {
            let end = utf8.endOfUnescaped(from: start)
            bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: utf8[start..<end]))
            guard end < utf8.count else { return }
            escape(utf8[end])
            start = end + 1
        }
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case .quote: raw("\\\"")
        case .backslash: raw("\\\\")
        case 0x08: raw("\\b")
        case 0x0C: raw("\\f")
        case 0x0A: raw("\\n")
        case 0x0D: raw("\\r")
        case 0x09: raw("\\t")
        default: unicodeEscape(UInt16(byte))
        }
    }

    private mutating func unicodeEscape(_ unit: UInt16) {
        raw("\\u")
        for shift in [12, 8, 4, 0] {
            let digit = UInt8(truncatingIfNeeded: unit >> shift & 0xF)
            bytes.append(digit < 10 ? .zero + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
