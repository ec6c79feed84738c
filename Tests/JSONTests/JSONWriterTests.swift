import JSON
import Testing

/// What is written, byte for byte.
@Suite("Writer", .timeLimit(.minutes(5)))
struct JSONWriterTests {
    private func written(_ body: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter(reservingCapacity: 16)
        body(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static let strings: [(String, String)] = [
        ("", #""""#), ("plain", #""plain""#), ("\"", #""\"""#), ("\\", #""\\""#), ("/", #""/""#),
        ("\u{8}\u{C}\n\r\t", #""\b\f\n\r\t""#),
        ("\u{0}\u{1}\u{B}\u{1F}", #""\u0000\u0001\u000b\u001f""#), ("\u{7F}\u{80}", "\"\u{7F}\u{80}\""),
        ("é日本😀", #""é日本😀""#),
        ("\u{2028}\u{2029}\u{FEFF}", "\"\u{2028}\u{2029}\u{FEFF}\""), ("exactly8", #""exactly8""#),
        ("exactly8\n", #""exactly8\n""#),
        ("longer than one word \"quoted\" and more", #""longer than one word \"quoted\" and more""#),
        ("é\né\n", #""é\né\n""#),
        ("\u{D7FF}\u{E000}", "\"\u{D7FF}\u{E000}\""), ("한국어\n", #""한국어\n""#),
    ]

    @Test("A string is quoted and escaped as Python's json does it without ensure_ascii", arguments: strings)
    func writesStrings(_ text: String, _ expected: String) {
        #expect(written { $0.string(text) } == expected)
        #expect(written { $0.string(JSONString(text)) } == expected)
        #expect(String(decoding: JSONValue.string(JSONString(text)).text.bytes, as: UTF8.self) == expected)
    }

    @Test("A lone surrogate is written as an escape, the text around it as it is")
    func surrogates() throws {
        for literal in [#""\ud800""#, #""é\udfff😀""#, #""\udc00\ud800""#, #""퟿\ud800\"\n""#] {
            let value = try JSONValue(parsing: Array(literal.utf8))
            #expect(String(decoding: value.text.bytes, as: UTF8.self) == literal)
        }
    }

    @Test("One escape is found at every place of a long string", arguments: ["\"", "\\", "\n", "\u{0}", "\u{1F}"])
    func escapesAtEveryPlace(_ special: String) throws {
        for place in 0..<40 {
            for filler in ["a", "é", "\u{20}"] {
                let text =
                    String(repeating: filler, count: place) + special + String(repeating: filler, count: 40 - place)
                let bytes = Array(written { $0.string(text) }.utf8)
                #expect(try JSONValue(parsing: bytes) == .string(JSONString(text)), "\(place)")
                #expect(bytes.count == text.utf8.count + (special < " " && special != "\n" ? 7 : 3), "\(place)")
            }
        }
    }

    @Test("Scalars, structure, exact texts and base64 are appended in order")
    func pieces() {
        let text = written { writer in
            writer.raw("{\"a\":")
            writer.null()
            writer.raw(",\"b\":[")
            writer.bool(true)
            writer.raw(",")
            writer.bool(false)
            writer.raw(",")
            writer.integer(.min)
            writer.raw("],\"c\":")
            writer.raw(JSONText(trusted: Array("{ \"exact\" : 1.0 }".utf8)))
            writer.raw(",\"d\":")
            writer.base64([0xFF, 0xEF, 0xBE])
            writer.raw(",\"e\":")
            writer.base64([])
            writer.raw("}")
        }
        let expected = #"{"a":null,"b":[true,false,-9223372036854775808],"c":{ "exact" : 1.0 },"d":"/+++","e":""}"#
        #expect(text == expected)
    }

    @Test("Values are written compactly, members in order with duplicates, numbers as read")
    func values() throws {
        let text = """
             { "b" : [ 1.0 , -0 , 1e5, 12345678901234567890 ] , "a" : { } ,
             "a" : [ ] , "c" : [ null , true , false , "x" ] } \n
            """
        let compact = #"{"b":[1.0,-0,1e5,12345678901234567890],"a":{},"a":[],"c":[null,true,false,"x"]}"#
        #expect(try JSONValue(parsing: Array(text.utf8)).text.bytes == Array(compact.utf8))
    }

    @Test("A large blob is written whole and decodes to the same bytes")
    func largeBlob() {
        let blob = (0..<1_000_003).map { UInt8(truncatingIfNeeded: $0 &* 131 >> 3) }
        var writer = JSONWriter()
        writer.base64(blob)
        #expect(writer.bytes.first == 0x22)
        #expect(writer.bytes.last == 0x22)
        let decoded = Array(writer.bytes.dropFirst().dropLast()).withUnsafeBytes { Base64.decode($0) }
        #expect(decoded == blob)
    }
}
