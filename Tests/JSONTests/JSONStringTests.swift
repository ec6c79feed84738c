import JSON
import Testing

/// String values: what escapes stand for, and what no Swift string can hold.
@Suite("Strings", .timeLimit(.minutes(5)))
struct JSONStringTests {
    private static let decoded: [(String, String)] = [
        (#""""#, ""), (#""plain""#, "plain"), (#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{C}\n\r\t"),
        (#""\u0041\u00e9\u00E9""#, "Aéé"),
        (#""\u0000""#, "\u{0}"), (#""a\u0000b""#, "a\u{0}b"),
        (#""\u007f\u0080\u07ff\u0800\uffff""#, "\u{7F}\u{80}\u{7FF}\u{800}\u{FFFF}"),
        (#""\ud83d\ude00""#, "😀"), (#""\uD83D\uDE00x""#, "😀x"), (#""\ud800\udc00\udbff\udfff""#, "\u{10000}\u{10FFFF}"),
        (#""é日本😀""#, "é日本😀"), (#""é\n日本\t😀\"""#, "é\n日本\t😀\""), (#""\\u0041""#, "\\u0041"), (#""\\\\""#, "\\\\"),
        (#""e\u0301""#, "e\u{301}"),
    ]

    @Test("A string literal stands for its text", arguments: decoded)
    func decodes(_ literal: String, _ text: String) throws {
        let value = try JSONValue(parsing: Array(literal.utf8))
        #expect(value == .string(JSONString(text)))
        guard case .string(let string) = value else { return }
        #expect(string.string.map { Array($0.utf8) } == Array(text.utf8))
        #expect(string.wtf8 == Array(text.utf8))
    }

    private static let surrogates: [(String, [UInt8])] = [
        (#""\ud800""#, [0xED, 0xA0, 0x80]), (#""\udfff""#, [0xED, 0xBF, 0xBF]),
        (#""a\udc00b""#, [0x61, 0xED, 0xB0, 0x80, 0x62]),
        (#""\udc00\ud800""#, [0xED, 0xB0, 0x80, 0xED, 0xA0, 0x80]), (#""\ud800\u0041""#, [0xED, 0xA0, 0x80, 0x41]),
        (#""\ud800\n""#, [0xED, 0xA0, 0x80, 0x0A]),
        (#""\ud83d\ud83d\ude00""#, [0xED, 0xA0, 0xBD, 0xF0, 0x9F, 0x98, 0x80]),
        (#""\ud83d\\ude00""#, [0xED, 0xA0, 0xBD, 0x5C] + Array("ude00".utf8)),
    ]

    @Test(
        "A lone surrogate survives as three bytes, has no String, and is written as its escape", arguments: surrogates)
    func keepsLoneSurrogates(_ literal: String, _ wtf8: [UInt8]) throws {
        let value = try JSONValue(parsing: Array(literal.utf8))
        guard case .string(let string) = value else {
            Issue.record("not a string")
            return
        }
        #expect(string.wtf8 == wtf8)
        #expect(string.string == nil)
        #expect(try value.text.value == value)
    }

    @Test("Every escaped code unit decodes to what Unicode says and is written back so that it reads the same")
    func everyCodeUnit() throws {
        for unit in UInt16.min...UInt16.max {
            let digits = String(unit, radix: 16)
            let literal = "\"\\u" + String(repeating: "0", count: 4 - digits.count) + digits + "\""
            guard case .string(let string) = try JSONValue(parsing: Array(literal.utf8)) else { continue }
            let scalar = Unicode.Scalar(unit)
            #expect(string.string == scalar.map { String($0) }, "\(literal)")
            let written = JSONValue.string(string).text
            #expect(try written.value == .string(string), "\(literal)")
        }
    }

    @Test("Canonically equivalent strings are different: nothing is normalised")
    func comparesBytes() {
        #expect(JSONString("é") != JSONString("e\u{301}"))
        #expect(JSONString("é") == "é")
        let value: JSONValue = ["e\u{301}": 1]
        #expect(value["é"] == nil)
        #expect(value["e\u{301}"] == 1)
    }
}
