/// A secret that says who its holder is: `mlp_`, 43 characters of chance and 6 of checksum.
///
/// The prefix lets scanners find a key that got where it should not be. The checksum, CRC-32 of what is before it, tells
/// them, and whoever mistyped one, that a text is no key without asking anybody. Chance is 43 letters and digits, each
/// drawn by itself from the system's generator: 62 to the power of 43 is more than 2 to the power of 256.
package struct APIKey: Sendable, CustomStringConvertible {
    /// Why a text is no key.
    package enum Flaw: Error, Hashable, Sendable {
        /// It has not the form of one.
        case form
        /// It has, and was mistyped or cut.
        case checksum
    }

    /// What each key begins with.
    package static let prefix = "mlp_"
    private static let randomCount = 43
    private static let checksumCount = 6
    private static let digits = [UInt8]("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// The whole key, to be shown once, to whom it was made for.
    package let text: String

    /// A new key.
    package init() {
        // SystemRandomNumberGenerator is getrandom(2) here.
        var generator = SystemRandomNumberGenerator()
        var bytes = [UInt8](Self.prefix.utf8)
        for _ in 0..<Self.randomCount {
            bytes.append(Self.digits[Int.random(in: Self.digits.indices, using: &generator)])
        }
        bytes += Self.checksum(of: bytes)
        text = String(decoding: bytes, as: UTF8.self)
    }

    /// The key that a client sent.
    package init(_ text: String) throws(Flaw) {
        let bytes = [UInt8](text.utf8)
        let body = bytes.dropLast(Self.checksumCount)
        guard body.count == Self.prefix.utf8.count + Self.randomCount, body.starts(with: Self.prefix.utf8),
            bytes.dropFirst(Self.prefix.utf8.count).allSatisfy(Self.isDigit)
        else { throw .form }
        guard bytes.suffix(Self.checksumCount).elementsEqual(Self.checksum(of: body)) else { throw .checksum }
        self.text = text
    }

    /// What key files have of it.
    package var hash: APIKeyHash {
        APIKeyHash(of: text)
    }

    /// Nothing of what is secret.
    package var description: String {
        Self.prefix + "…"
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    /// CRC-32 as zlib has it, in base 62.
    ///
    /// It finds each change within four bytes that follow each other.
    private static func checksum(of bytes: some Sequence<UInt8>) -> [UInt8] {
        var remainder = UInt32.max
        for byte in bytes {
            remainder ^= UInt32(byte)
            for _ in 0..<8 {
                remainder = remainder >> 1 ^ (remainder & 1) * 0xEDB8_8320
            }
        }
        var rest = Int(~remainder)
        var checksum = [UInt8](repeating: 0, count: checksumCount)
        for place in checksum.indices.reversed() {
            checksum[place] = digits[rest % digits.count]
            rest /= digits.count
        }
        return checksum
    }
}
