import JSON
import Serde
import Testing

@testable import milepost

@Suite("Values for a person")
struct ValueTextTests {
    private func entry(_ name: String, _ value: DecodedValue) -> DecodedEntry {
        DecodedEntry(DecodedValue(name), value)
    }

    private var message: DecodedValue {
        .object(
            type: "langchain_core.messages.human.HumanMessage",
            .fields([
                entry("content", DecodedValue("hi\u{1b}[1m")), entry("additional_kwargs", .map([])),
                entry("type", DecodedValue("human")), entry("name", .null), entry("id", DecodedValue("1")),
            ])
        )
    }

    private func line(_ value: DecodedValue, isFull: Bool = false) -> String {
        InlineText.beginning(of: value, room: 200, isFull: isFull)
    }

    @Test("each kind of value on a line")
    func lines() {
        #expect(line(message) == #"HumanMessage(content="hi\u001b[1m", id="1")"#)
        #expect(line(message, isFull: true).hasPrefix("langchain_core.messages.human.HumanMessage(content="))
        #expect(line(message, isFull: true).contains("additional_kwargs={}"))
        #expect(line(.array([.null, .bool(true), .notFinite("NaN")])) == "[null, true, NaN]")
        #expect(line(.map([entry("a b", .null), DecodedEntry(.bool(true), .null)])) == #"{"a b": null, true: null}"#)
        #expect(line(.bytes([0, 255])) == "<2 bytes 00ff>")
        #expect(line(.secret(type: "pydantic.types.SecretStr", fingerprint: 1)) == "SecretStr(**********)")
        #expect(line(.object(type: "datetime.date", .arguments([.null, .bool(false)]))) == "date(null, false)")
        #expect(line(.snapshot(.array([]))) == "snapshot []")
        #expect(line(.unknown(code: 9, [1])) == "<extension 9: <1 bytes 01>>")
        #expect(line(.opaque(OpaqueValue(.pickle, [1, 2]))).hasPrefix("<pickle, 2 bytes: not decoded"))
        #expect(line(.cut("3 more")) == "<3 more>")
        let array = NumberArray(type: "<i4", shape: [2, 4], order: "C", bytes: [UInt8](repeating: 0, count: 32))
        #expect(line(.numbers(array)) == "ndarray(<i4 2×4: 0, 0, 0, 0, 0, 0, …)")
    }

    @Test("a value that does not fit goes over lines, and what is long is cut with a note")
    func blocks() {
        let text = DecodedValue(String(repeating: "word ", count: 100))
        #expect(
            BlockText.lines("note", text, width: 50, isFull: false)
                == [#"  note: "word word word word wor… (500 characters)"#]
        )
        #expect(BlockText.lines("note", text, width: 50, isFull: true)[0].hasSuffix(#"word ""#))
        let numbers = DecodedValue.array((0..<100).map { .number(JSONNumber($0)) })
        let cut = BlockText.lines("numbers", numbers, width: 50, isFull: false)
        #expect(cut.count == 25 && cut[0] == "  numbers: (100)" && cut[1] == "    [0]: 0")
        #expect(cut.last == "  … more: --full shows all")
        #expect(BlockText.lines("numbers", numbers, width: 50, isFull: true).count == 101)
        let nested = DecodedValue.map([entry("messages", .array([message, message]))])
        #expect(
            BlockText.lines("m", nested, width: 44, isFull: false) == [
                "  m: {1}", "    messages: (2)", "      [0]: HumanMessage", #"        content: "hi\u001b[1m""#,
                #"        id: "1""#, "      [1]: HumanMessage", #"        content: "hi\u001b[1m""#, #"        id: "1""#,
            ]
        )
    }

    @Test("a megabyte costs no more than the line it gets")
    func large() {
        let text = DecodedValue(String(repeating: "\u{1b}", count: 1_000_000))
        #expect(line(text).count == 200)
        #expect(BlockText.lines("x", text, width: 80, isFull: false)[0].count <= 80)
    }
}
