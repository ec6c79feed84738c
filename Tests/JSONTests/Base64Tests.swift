import Foundation
import JSON
import Testing

/// Canonical base64 and nothing else, give or take white space.
@Suite("Base64", .timeLimit(.minutes(5)))
struct Base64Tests {
    private func decode(_ text: String) -> [UInt8]? {
        Array(text.utf8).withUnsafeBytes { Base64.decode($0) }
    }

    private func encode(_ bytes: [UInt8]) -> String {
        var writer = JSONWriter()
        writer.base64(bytes)
        return String(decoding: writer.bytes.dropFirst().dropLast(), as: UTF8.self)
    }

    private static let canonical: [(String, String)] = [
        // The vectors of RFC 4648 §10.
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
        // White space of every kind, everywhere.
        ("f", " Z g = = "), ("f", "Zg==\n"), ("f", "Zg=\r\n="), ("foo", "\tZm9v\u{B}\u{C}"),
        ("foobar", "Zm9v\r\nYmFy\r\n"), ("", " \t\r\n"),
        ("foobar", "Z m 9 v Y m F y"),
    ]

    @Test("Canonical text decodes, white space skipped", arguments: canonical)
    func decodes(_ bytes: String, _ text: String) {
        #expect(decode(text) == Array(bytes.utf8))
    }

    private static let refused: [String] = [
        "=", "==", "===", "====", "Z", "Zg", "Zg=", "Zm8", "Zm9vY", "Zm9vYg", "Zm9vYg=", "Zg===", "Zm8==", "Zm9v=",
        "Zm9v====",
        // Bits left over.
        "Zh==", "Zm9=", "Zm+=", "Z/==", "//==", "///=",
        // Padding elsewhere.
        "=Zg=", "Z=g=", "Zg==Zg==", "Zg==Zm9v", "Zm8=Zg==", "Z===", "Zm=v", "Zg=a",
        // Other alphabets and other bytes.
        "Zm-_", "-_-_", "Zm9.", "Zm9*", "Zm9v!", "é===", "Zm9vé", "Zm9\u{0}", "Zg\u{A0}==", "Zm9v\u{2028}",
        "Zm9v\u{1F}", "Zm9v\"", "Zm9v\\n",
    ]

    @Test("Anything else is refused", arguments: refused)
    func refuses(_ text: String) {
        #expect(decode(text) == nil)
    }

    @Test("Every length round-trips, and as Foundation has it", arguments: 0...100)
    func roundTrips(_ count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ count) }
        let text = encode(bytes)
        #expect(text == Data(bytes).base64EncodedString())
        #expect(text.utf8.count == Base64.encodedCount(count))
        #expect(decode(text) == bytes)
        let wrapped = Data(bytes).base64EncodedString(options: [.lineLength64Characters, .endLineWithCarriageReturn])
        #expect(decode(wrapped) == bytes)
    }

    @Test("Every last group is accepted exactly when encoding its bytes gives it back")
    func everyLastGroup() {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for second in alphabet {
            for third in alphabet + [0x3D] {
                let text = [0x41, second, third, 0x3D]
                let decoded = text.withUnsafeBytes { Base64.decode($0) }
                let lenient = Data(base64Encoded: Data(text)).map { [UInt8]($0) } ?? []
                let isCanonical = Array(encode(lenient).utf8) == text
                #expect((decoded != nil) == isCanonical, "\(String(decoding: text, as: UTF8.self))")
                if isCanonical {
                    #expect(decoded == lenient)
                }
            }
        }
    }

    @Test("Every byte outside the alphabet is refused or skipped at each place of a group")
    func everyByte() {
        let spaces: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0B, 0x0C, 0x0D]
        let alphabet = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        for byte in UInt8.min...UInt8.max where !alphabet.contains(byte) {
            for place in 0...8 {
                var text = Array("Zm9vYmFy".utf8)
                text.insert(byte, at: place)
                let decoded = text.withUnsafeBytes { Base64.decode($0) }
                #expect(decoded == (spaces.contains(byte) ? Array("foobar".utf8) : nil), "\(byte) at \(place)")
            }
        }
    }

    @Test("Random bytes of random lengths round-trip through random white space")
    func randomRoundTrips() {
        var random = SeededGenerator(stream: 4)
        for _ in 0..<500 {
            let bytes = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: .min ... .max, using: &random)
            }
            var text = encode(bytes)
            #expect(decode(text) == bytes, "MILEPOST_SEED=\(SeededGenerator.seed)")
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let index = text.index(text.startIndex, offsetBy: Int.random(in: 0...text.count, using: &random))
                text.insert([" ", "\n", "\t"].randomElement(using: &random) ?? " ", at: index)
            }
            #expect(decode(text) == bytes, "MILEPOST_SEED=\(SeededGenerator.seed)")
        }
    }
}
