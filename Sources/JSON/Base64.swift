/// RFC 4648 §4 base64 in its one canonical form, between raw bytes.
///
/// It works on pointers so that blobs go straight from a request body into an array and from an array into an answer.
package enum Base64 {
    /// The bytes that the text stands for, nil unless it is canonical.
    ///
    /// Canonical is the standard alphabet, exact padding and zero bits where no byte is left; ASCII white space (space,
    /// `\t`, `\n`, `\r`, `\f`, `\v`) is skipped anywhere. Text of nothing but white space is no bytes.
    package static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        var isCanonical = false
        let bytes = values.withUnsafeBufferPointer { values in
            // The fast loop stores four bytes for every three it writes, hence the slack.
            [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3 + 4) { output, count in
                var decoder = Decoder(text: text, output: UnsafeMutableRawBufferPointer(output), values: values)
                isCanonical = decoder.run()
                count = isCanonical ? decoder.written : 0
            }
        }
        return isCanonical ? bytes : nil
    }

    /// How many characters that many bytes become.
    package static func encodedCount(_ count: Int) -> Int {
        (count + 2) / 3 * 4
    }

    /// Fills the start of `output`, which has room for `encodedCount(bytes.count)`, with the encoding.
    package static func encode(_ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) {
        pairs.withUnsafeBufferPointer { pairs in
            var (read, written) = (0, 0)
            // Six bytes at a time, read as eight.
            while read + 8 <= bytes.count {
                let word = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: read, as: UInt64.self))
                let text =
                    UInt64(pairs[Int(word >> 52)]) | UInt64(pairs[Int(word >> 40 & 0xFFF)]) << 16
                    | UInt64(pairs[Int(word >> 28 & 0xFFF)]) << 32 | UInt64(pairs[Int(word >> 16 & 0xFFF)]) << 48
                output.storeBytes(of: text.littleEndian, toByteOffset: written, as: UInt64.self)
                read += 6
                written += 8
            }
            while read + 3 <= bytes.count {
                let group = Int(bytes[read]) << 16 | Int(bytes[read + 1]) << 8 | Int(bytes[read + 2])
                output.storeBytes(of: pairs[group >> 12].littleEndian, toByteOffset: written, as: UInt16.self)
                output.storeBytes(of: pairs[group & 0xFFF].littleEndian, toByteOffset: written + 2, as: UInt16.self)
                read += 3
                written += 4
            }
            guard read < bytes.count else { return }
            let second = read + 1 < bytes.count ? Int(bytes[read + 1]) : 0
            let group = Int(bytes[read]) << 16 | second << 8
            output.storeBytes(of: pairs[group >> 12].littleEndian, toByteOffset: written, as: UInt16.self)
            output[written + 2] = read + 1 < bytes.count ? alphabet[group >> 6 & 0x3F] : padding
            output[written + 3] = padding
        }
    }

    private static let alphabet = [UInt8]("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The two characters of every twelve bits, the first in the low byte.
    private static let pairs: [UInt16] = (0..<4096).map { bits in
        UInt16(alphabet[bits >> 6]) | UInt16(alphabet[bits & 0x3F]) << 8
    }

    /// What a character means as first, second, third or fourth of its group: four tables of 256.
    ///
    /// Their union is the group's 24 bits, the first byte lowest; `invalid` is set when a character is not of the
    /// alphabet.
    private static let values: [UInt32] = (0..<1024).map { index in
        guard let value = alphabet.firstIndex(of: UInt8(index & 0xFF)) else { return invalid }
        return (UInt32(value) << (18 - 6 * UInt32(index >> 8))).byteSwapped >> 8
    }

    private static let invalid: UInt32 = 0x8000_0000

    private static let padding = UInt8(ascii: "=")

    /// One decoding: how far it has read and written.
    private struct Decoder {
        let text: UnsafeRawBufferPointer
        let output: UnsafeMutableRawBufferPointer
        let values: UnsafeBufferPointer<UInt32>
        private var read = 0
        private(set) var written = 0

        init(
            text: UnsafeRawBufferPointer,
            output: UnsafeMutableRawBufferPointer,
            values: UnsafeBufferPointer<UInt32>
        ) {
            self.text = text
            self.output = output
            self.values = values
        }

        /// Decodes everything; false when the text is not canonical.
        mutating func run() -> Bool {
            while true {
                decodePlainGroups()
                // The end, padding, or white space in the way.
                var group: [4 of UInt8] = [padding, padding, padding, padding]
                let count = nextGroup(&group)
                if count == 0 { return true }
                guard count == 4 else { return false }
                let bits = value(group)
                guard bits & invalid != 0 else {
                    store(bits, bytes: 3)
                    continue
                }
                return decodeLastGroup(group)
            }
        }

        private mutating func decodePlainGroups() {
            var (read, written) = (read, written)
            while read + 4 <= text.count {
                let bits =
                    values[Int(text[read])] | values[256 + Int(text[read + 1])]
                    | values[512 + Int(text[read + 2])] | values[768 + Int(text[read + 3])]
                if bits & invalid != 0 { break }
                output.storeBytes(of: bits.littleEndian, toByteOffset: written, as: UInt32.self)
                read += 4
                written += 3
            }
            (self.read, self.written) = (read, written)
        }

        /// Takes up to four characters that are not white space; how many there were.
        private mutating func nextGroup(_ group: inout [4 of UInt8]) -> Int {
            var count = 0
            while count < 4, read < text.count {
                let character = text[read]
                read += 1
                if character == .space || (0x09...0x0D).contains(character) { continue }
                group[count] = character
                count += 1
            }
            return count
        }

        /// Decodes a group that must be padded, leave no bits over, and have only white space after it.
        private mutating func decodeLastGroup(_ group: [4 of UInt8]) -> Bool {
            guard group[3] == padding else { return false }
            let bytes = group[2] == padding ? 1 : 2
            var zeroed = group
            zeroed[3] = UInt8(ascii: "A")
            if bytes == 1 { zeroed[2] = UInt8(ascii: "A") }
            let bits = value(zeroed)
            guard bits & invalid == 0, bits >> (8 * UInt32(bytes)) == 0 else { return false }
            store(bits, bytes: bytes)
            var rest: [4 of UInt8] = [0, 0, 0, 0]
            return nextGroup(&rest) == 0
        }

        private func value(_ group: [4 of UInt8]) -> UInt32 {
            values[Int(group[0])] | values[256 + Int(group[1])] | values[512 + Int(group[2])]
                | values[768 + Int(group[3])]
        }

        private mutating func store(_ bits: UInt32, bytes: Int) {
            for index in 0..<bytes {
                output[written + index] = UInt8(truncatingIfNeeded: bits >> (8 * UInt32(index)))
            }
            written += bytes
        }
    }
}
