/// Identifiers as keys of the tables hold them, in as few bytes as their usual forms need.
///
/// Each text has one form, so that equal keys stay equal. Only keys that no answer is ordered by are packed: a packed and
/// an unpacked one do not sort as their texts do.
package enum PackedKey {
    /// Bytes of a UUID.
    static let uuidCount = 16
    private static let uuidTextCount = 36
    private static let dashes = [8, 13, 18, 23]

    /// The 16 bytes of a UUID in its canonical form (36 characters, lower case); nil for any other text.
    package static func uuid(_ text: UnsafeBufferPointer<UInt8>) -> (UInt64, UInt64)? {
        let dash = UInt8(ascii: "-")
        guard text.count == uuidTextCount, text[8] == dash, text[13] == dash, text[18] == dash, text[23] == dash else {
            return nil
        }
        return digits.withUnsafeBufferPointer { digits in
            // A character that is no digit sets bits that no digit has.
            var seen: UInt64 = 0
            func number(_ ranges: (Range<Int>, Range<Int>, Range<Int>)) -> UInt64 {
                var value: UInt64 = 0
                func read(_ range: Range<Int>) {
                    for index in range {
                        let digit = UInt64(digits[Int(text[index])])
                        seen |= digit
                        value = value << 4 | digit
                    }
                }
                read(ranges.0)
                read(ranges.1)
                read(ranges.2)
                return value
            }
            let high = number((0..<8, 9..<13, 14..<18))
            let low = number((19..<23, 24..<30, 30..<36))
            return seen <= 0xF ? (high, low) : nil
        }
    }

    /// What each character stands for as a hexadecimal digit, in lower case; 255 for what is none.
    private static let digits: [UInt8] = (0..<256).map { character in
        switch UInt8(character) {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt8(character) - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt8(character) - UInt8(ascii: "a") + 10
        default: 255
        }
    }

    /// The text of a UUID; empty for a damaged one, which has another number of bytes.
    package static func text(ofUUID bytes: UnsafeRawBufferPointer) -> String {
        guard bytes.count == uuidCount else { return "" }
        return String(unsafeUninitializedCapacity: uuidTextCount) { text in
            var place = 0
            for byte in bytes {
                if dashes.contains(place) {
                    text[place] = UInt8(ascii: "-")
                    place += 1
                }
                text[place] = hexadecimal(byte >> 4)
                text[place + 1] = hexadecimal(byte & 0xF)
                place += 2
            }
            return place
        }
    }

    private static func hexadecimal(_ digit: UInt8) -> UInt8 {
        digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") - 10 + digit
    }

    // MARK: - Versions

    /// A point, and what fills the last byte.
    private static let (point, filler): (UInt8, UInt8) = (0xA, 0xF)
    /// Shorter texts are not worth it; longer ones do not come.
    private static let versionCounts = 8...255

    /// A version of digits and points, as LangGraph's are (`00000000000000000000000000000004.0.7312…`): how many zeros
    /// it begins with, taken from 255 so that later versions sort last, then two characters a byte.
    ///
    /// Nil for any other text.
    package static func version(_ text: String) -> [UInt8]? {
        let text = Array(text.utf8)
        guard versionCounts.contains(text.count) else { return nil }
        let zeros = text.prefix { $0 == UInt8(ascii: "0") }.count
        var packed = [UInt8(255 - zeros)]
        packed.reserveCapacity(1 + (text.count - zeros + 1) / 2)
        var isSecond = false
        for byte in text[zeros...] {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "."): digit = point
            default: return nil
            }
            if isSecond {
                packed[packed.count - 1] = packed[packed.count - 1] & 0xF0 | digit
            } else {
                packed.append(digit << 4 | filler)
            }
            isSecond.toggle()
        }
        return packed
    }

    /// The text of a packed version.
    package static func text(ofVersion packed: [UInt8]) -> String {
        guard let first = packed.first else { return "" }
        var text = [UInt8](repeating: UInt8(ascii: "0"), count: Int(255 - first))
        for digit in packed.dropFirst().flatMap({ [$0 >> 4, $0 & 0xF] }) where digit != filler {
            text.append(digit == point ? UInt8(ascii: ".") : UInt8(ascii: "0") + digit)
        }
        return String(decoding: text, as: UTF8.self)
    }
}
