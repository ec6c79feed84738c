import Crypto

/// SHA-256 of a whole key, which is all that a server keeps of one.
///
/// A key has 256 bits of chance, so that a slow hash, as passwords need, would add nothing.
package struct APIKeyHash: Hashable, Sendable {
    private let words: SIMD4<UInt64>

    init(of text: String) {
        var hash = SHA256()
        var text = text
        text.withUTF8 { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        self.init(words: hash.finalize().withUnsafeBytes { $0.loadUnaligned(as: SIMD4<UInt64>.self) })
    }

    /// The hash of 64 hexadecimal digits; nil for any other text.
    package init?(hexadecimal text: String) {
        let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 64, text.utf8.count == 64 else { return nil }
        let bytes = (0..<32).map { UInt8(digits[2 * $0] << 4 | digits[2 * $0 + 1]) }
        self.init(words: bytes.withUnsafeBytes { $0.loadUnaligned(as: SIMD4<UInt64>.self) })
    }

    private init(words: SIMD4<UInt64>) {
        self.words = words
    }

    /// The hash of nothing that anybody knows.
    static func random() -> APIKeyHash {
        APIKeyHash(words: .random(in: 0...UInt64.max))
    }

    package var hexadecimal: String {
        let digits = [UInt8]("0123456789abcdef".utf8)
        let text = withUnsafeBytes(of: words) { bytes in
            bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 0xF)]] }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The first 8 bytes, to be looked up by.
    var beginning: UInt64 { words[0] }

    /// Looks at all bytes of both, in the same time whatever they are: there is no branch in it.
    package static func == (left: APIKeyHash, right: APIKeyHash) -> Bool {
        let difference = left.words ^ right.words
        return difference[0] | difference[1] | difference[2] | difference[3] == 0
    }
}
