import JSON
import Testing

/// Values, their literals and texts.
@Suite("Values", .timeLimit(.minutes(5)))
struct JSONValueTests {
    @Test("Literals build the value their text parses to")
    func literals() throws {
        let value: JSONValue = ["a": [nil, true, false, -1, "x"], "b": [:], "a": []]
        #expect(try value == JSONValue(parsing: Array(#"{"a":[null,true,false,-1,"x"],"b":{},"a":[]}"#.utf8)))
    }

    @Test(
        "Equality is of what the text says: order, duplicates and spelling of numbers count, escapes and space do not")
    func equality() throws {
        func value(_ text: String) throws -> JSONValue { try JSONValue(parsing: Array(text.utf8)) }
        #expect(try value(#"{"a":1,"b":2}"#) != value(#"{"b":2,"a":1}"#))
        #expect(try value(#"{"a":1,"a":1}"#) != value(#"{"a":1}"#))
        #expect(try value("1.0") != value("1"))
        #expect(try value("[1,2]") != value("[2,1]"))
        #expect(try value(#""\u0061""#) == value(#""a""#))
        #expect(try value(" [ 1 ] ") == value("[1]"))
        #expect(try Set([value("[1]"), value("[ 1 ]"), value("[1.0]")]).count == 2)
    }

    @Test("A key gives the last member of that name, and nothing of what is no object")
    func subscripts() throws {
        let value = try JSONValue(parsing: Array(#"{"a":1,"b":null,"a":2,"\u0063":3}"#.utf8))
        #expect(value["a"] == 2)
        #expect(value["b"] == JSONValue.null)
        #expect(value["c"] == 3)
        #expect(value["d"] == nil)
        #expect(JSONValue.array([])["a"] == nil)
        #expect(JSONValue.null["a"] == nil)
    }

    @Test("A text is kept exactly, validated or trusted, and parsed when asked")
    func texts() throws {
        let bytes = Array(" { \"a\" : 1.0 } ".utf8)
        let text = try JSONText(parsing: bytes)
        #expect(text.bytes == bytes)
        #expect(text == JSONText(trusted: bytes))
        #expect(try text.value == ["a": .number(JSONNumber(trusted: "1.0"))])
        #expect(JSONText.emptyObject.bytes == Array("{}".utf8))
        #expect(try JSONText.emptyObject.value == [:])
        #expect(throws: JSONError.self) { try JSONText(trusted: Array("{".utf8)).value }
    }

    @Test("A value is parsed from a pointer and keeps nothing of it")
    func pointers() throws {
        var bytes = Array(#"["some text that is long enough",12345678901234567890]"#.utf8)
        let value = try bytes.withUnsafeBytes { try JSONValue(parsing: $0) }
        bytes = [UInt8](repeating: 0, count: bytes.count)
        #expect(value == ["some text that is long enough", .number(JSONNumber(trusted: "12345678901234567890"))])
        #expect(throws: JSONError.self) { try JSONValue(parsing: UnsafeRawBufferPointer(start: nil, count: 0)) }
    }

    @Test("The deepest value allowed can be written, compared, hashed and searched")
    func deepest() throws {
        let bytes = Array(Document.nested(501, "[{\"a\":", "}]", around: "1").utf8)
        let value = try JSONValue(parsing: bytes)
        #expect(value.text.bytes == bytes)
        #expect(try value == JSONValue(parsing: bytes))
        #expect(value.contains(value))
        #expect(Set([value, value]).count == 1)
    }

    @Test("The default limits are those of a request body")
    func defaultLimits() {
        #expect(JSONLimits.default.maximumDepth == 1_002)
        #expect(JSONLimits.default.maximumIntegerDigits == 4_300)
        #expect(JSONLimits.default.maximumRecordedElements == 1_000_000)
    }
}
