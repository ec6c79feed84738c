import Foundation
@testable import Authentication
@testable import CheckpointAPI
import JSON

/// Base64 is what Foundation says it is, in its one canonical form.
enum Base64Property {
    private static let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D]

    static func check(_ input: [UInt8]) {
        checkDecoding(input)
        checkEncoding(input)
        checkURLs(input)
    }

    private static func checkDecoding(_ text: [UInt8]) {
        let found = subject(text.withUnsafeBytes { Base64.decode($0) }) { found in
            // A decoder that does not look at the bits that are left over.
            text.last == UInt8(ascii: "=") ? found ?? Data(base64Encoded: Data(text)).map { [UInt8]($0) } : found
        }
        let dense = Data(text.filter { !spaces.contains($0) })
        let lenient = Data(base64Encoded: dense)
        let canonical = lenient.flatMap { $0.base64EncodedData() == dense ? [UInt8]($0) : nil }
        require(
            found == canonical, "decoded: \(String(describing: found)), Foundation: \(String(describing: canonical))")
    }

    private static func checkEncoding(_ bytes: [UInt8]) {
        let text = encoded(bytes)
        require(text.elementsEqual(Data(bytes).base64EncodedData()), "encoded as Foundation does")
        require(text.withUnsafeBytes { Base64.decode($0) } == bytes, "and back")
    }

    private static func checkURLs(_ input: [UInt8]) {
        let text = URLSafeBase64.encode(input)
        require(URLSafeBase64.decode(text) == input, "URL-safe, and back")
        require(Base64URL.decode(text.utf8) == input, "the same in tokens")
        if let bytes = Base64URL.decode(input) {
            require(URLSafeBase64.encode(bytes).utf8.elementsEqual(input), "bytes have one text in tokens")
        }
    }

    static func encoded(_ bytes: [UInt8]) -> [UInt8] {
        var text = [UInt8](repeating: 0, count: Base64.encodedCount(bytes.count))
        bytes.withUnsafeBytes { bytes in text.withUnsafeMutableBytes { Base64.encode(bytes, into: $0) } }
        return text
    }
}
