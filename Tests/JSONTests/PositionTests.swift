import JSON
import Testing

/// Where a document is wrong, in bytes and characters, and in whose words.
@Suite("Positions", .timeLimit(.minutes(5)))
struct PositionTests {
    struct Malformed: Sendable, CustomTestStringConvertible {
        let text: String
        let kind: JSONError.Kind
        let offset: Int
        let characterOffset: Int
        let reason: String

        init(_ text: String, _ kind: JSONError.Kind, _ offset: Int, characters: Int? = nil, _ reason: String) {
            self.text = text
            self.kind = kind
            self.offset = offset
            self.characterOffset = characters ?? offset
            self.reason = reason
        }

        var testDescription: String { text }
    }

    private static let malformed: [Malformed] = [
        Malformed("", .expectedValue, 0, "Expecting value"),
        Malformed("  ", .expectedValue, 2, "Expecting value"),
        Malformed("[1,]", .expectedValue, 3, "Expecting value"),
        Malformed("[1, nul]", .expectedValue, 4, "Expecting value"),
        Malformed("[\"é😀\", -]", .expectedValue, 11, characters: 7, "Expecting value"),
        Malformed("[NaN]", .expectedValue, 1, "Expecting value"),
        Malformed("[1, Infinity]", .expectedValue, 4, "Expecting value"),
        Malformed("[1, -Infinity]", .expectedValue, 4, "Expecting value"),
        Malformed("\u{FEFF}1", .expectedValue, 0, "Expecting value"),
        Malformed("{", .expectedKey, 1, "Expecting property name enclosed in double quotes"),
        Malformed("{\"a\":1,", .expectedKey, 7, "Expecting property name enclosed in double quotes"),
        Malformed("{\"a\":1, }", .expectedKey, 8, "Expecting property name enclosed in double quotes"),
        Malformed("{\"é\":1, 2", .expectedKey, 9, characters: 8, "Expecting property name enclosed in double quotes"),
        Malformed("{\"a\" 1}", .expectedColon, 5, "Expecting ':' delimiter"),
        Malformed("{\"a\"", .expectedColon, 4, "Expecting ':' delimiter"),
        Malformed("[1 2]", .expectedComma, 3, "Expecting ',' delimiter"),
        Malformed("[1.]", .expectedComma, 2, "Expecting ',' delimiter"),
        Malformed("{\"日本\": 1 ]", .expectedComma, 13, characters: 9, "Expecting ',' delimiter"),
        Malformed("[\"é\", \"abc", .unterminatedString, 7, characters: 6, "Unterminated string starting at"),
        Malformed("[\"abc\\", .unterminatedString, 1, "Unterminated string starting at"),
        Malformed("[\"é\n\"]", .controlCharacter, 4, characters: 3, "Invalid control character at"),
        Malformed("[\"ab\\x\"]", .invalidEscape, 4, "Invalid \\escape"),
        Malformed("[\"😀\\u12\"]", .invalidUnicodeEscape, 7, characters: 4, "Invalid \\uXXXX escape"),
        Malformed("[\"\\ud800\\u12g4\"]", .invalidUnicodeEscape, 9, "Invalid \\uXXXX escape"),
        Malformed("{} {}", .trailingData, 3, "Extra data"),
        Malformed("\"é\"x", .trailingData, 4, characters: 3, "Extra data"),
        Malformed("01", .trailingData, 1, "Extra data"),
        Malformed("[1, 1e999]", .numberOutOfRange, 4, "Number out of range"),
    ]

    @Test("The kind, both offsets and the reason are exact", arguments: malformed)
    func position(_ malformed: Malformed) {
        let error = agreedError(reading: Array(malformed.text.utf8))
        #expect(error?.kind == malformed.kind)
        #expect(error?.offset == malformed.offset)
        #expect(error?.characterOffset == malformed.characterOffset)
        #expect(error?.reason == malformed.reason)
    }

    @Test("Ill-formed UTF-8 is placed at its first byte, counted in the characters before it")
    func invalidUTF8() {
        let error = agreedError(reading: Array("[\"é".utf8) + [0xE2, 0x82, 0x22, 0x5D])
        #expect(error?.kind == .invalidUTF8)
        #expect(error?.offset == 4)
        #expect(error?.characterOffset == 3)
        #expect(error?.reason == "Invalid UTF-8")
    }

    @Test("The description has the reason and the place, and nothing of the document")
    func description() {
        let error = agreedError(reading: Array("[\"é\", secret]".utf8))
        #expect(error.map(String.init(describing:)) == "Expecting value: byte 7 (char 6)")
    }

    @Test("A limit is reported where it is passed")
    func limits() {
        var limits = JSONLimits(maximumDepth: 2, maximumIntegerDigits: 3)
        #expect(agreedError(reading: Array("[{\"a\":1}, -123]".utf8), limits: limits) == nil)
        let deep = agreedError(reading: Array("[\"é\", {\"a\": []}]".utf8), limits: limits)
        #expect(deep?.kind == .tooDeep)
        #expect(deep?.offset == 13)
        #expect(deep?.characterOffset == 12)
        #expect(deep?.reason == "Too many nested containers")
        let long = agreedError(reading: Array("[-1234]".utf8), limits: limits)
        #expect(long?.kind == .integerTooLong)
        #expect(long?.offset == 1)
        #expect(long?.reason == "Integer has too many digits")
        #expect(agreedError(reading: Array("[1234.5, 1234e1]".utf8), limits: limits) == nil)
        limits.maximumDepth = 0
        #expect(agreedError(reading: Array("[]".utf8), limits: limits)?.kind == .tooDeep)
        #expect(agreedError(reading: Array("1".utf8), limits: limits) == nil)
    }
}
