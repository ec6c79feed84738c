import JSON
import Serde
import Testing
import TestSupport

@Suite("What LangGraph's serde wrote, decoded", .timeLimit(.minutes(5)))
struct DecodingTests {
    private func json(_ bytes: [UInt8]) -> String {
        String(decoding: DecodedValue(messagePack: bytes).json.text.bytes, as: UTF8.self)
    }

    @Test(
        "every form of msgpack, those that LangGraph does not write too",
        arguments: [
            ([0xC0], "null"), ([0xC2], "false"), ([0xE0], "-32"), ([0xD0, 0x80], "-128"), ([0xD1, 0xFF, 0x7F], "-129"),
            ([0xCF, 255, 255, 255, 255, 255, 255, 255, 255], "18446744073709551615"),
            ([0xCA, 0x3F, 0xC0, 0, 0], "1.5"), ([0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], "1.5"),
            ([0xCB, 0xFF, 0xF0, 0, 0, 0, 0, 0, 0], #"{"$float":"-Infinity"}"#),
            ([0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0], #"{"$float":"NaN"}"#),
            ([0xA1, 0x61], #""a""#), ([0xA1, 0xFF], #"{"$bytes":"/w=="}"#), ([0xC4, 1, 9], #"{"$bytes":"CQ=="}"#),
            ([0xC5, 0, 1, 9], #"{"$bytes":"CQ=="}"#), ([0xDC, 0, 1, 0xC0], "[null]"), ([0x80], "{}"),
            ([0x81, 0xA1, 0x61, 1], #"{"a":1}"#), ([0x81, 1, 2], #"{"$map":[[1,2]]}"#),
            ([0x82, 0xA1, 0x61, 1, 0xA1, 0x61, 2], #"{"$map":[["a",1],["a",2]]}"#),
            ([0x81, 0xA2, 0x24, 0x61, 1], #"{"$$a":1}"#),
            ([0xD4, 0xFF, 7], #"{"$ext":-1,"hex":"07"}"#), ([0xC7, 2, 42, 0xAB, 0x0C], #"{"$ext":42,"hex":"ab0c"}"#),
        ] as [([UInt8], String)])
    func forms(_ bytes: [UInt8], _ text: String) {
        #expect(json(bytes) == text)
    }

    @Test(
        "a type says what the bytes are",
        arguments: [
            ("null", [], "null"), ("json", Array(#"{"a":[1.0]}"#.utf8), #"{"a":[1.0]}"#),
            ("bytearray", [7], #"{"$type":"builtins.bytearray","$value":{"$bytes":"Bw=="}}"#),
            (
                "pickle", [0x80, 4],
                #"{"$opaque":"pickle","size":2,"note":"not decoded: loading a pickle can run any code"}"#
            ),
            ("empty", [], #"{"$opaque":"empty","size":0,"note":"the channel has no value at this version"}"#),
            ("msgpack+aes", [1, 2], #"{"$opaque":"encrypted","size":2,"note":"encrypted with aes, msgpack inside"}"#),
            ("custom", [1], #"{"$opaque":"unknown type","size":1,"note":"type 'custom' is not one of LangGraph's"}"#),
            (
                "msgpack", [0x92, 1],
                #"{"$opaque":"damaged","size":2,"note":"msgpack that cannot be read: it ends in the middle"}"#
            ),
            (
                "msgpack", [1, 2],
                #"{"$opaque":"damaged","size":2,"note":"msgpack that cannot be read: bytes follow its end"}"#
            ),
        ] as [(String, [UInt8], String)])
    func types(_ type: String, _ bytes: [UInt8], _ text: String) {
        #expect(String(decoding: DecodedValue(type: type, bytes: bytes).json.text.bytes, as: UTF8.self) == text)
    }

    @Test("a secret is told from another, and shown nowhere")
    func secrets() {
        func secret(_ name: String, _ word: String) -> [UInt8] {
            let payload = [0x93] + text("pydantic.types") + text(name) + text(word)
            return [0xC7, UInt8(payload.count), 0] + payload
        }
        for name in ["SecretStr", "SecretBytes", "Secret"] {
            let one = DecodedValue(messagePack: secret(name, "hunter2"))
            #expect(one == DecodedValue(messagePack: secret(name, "hunter2")))
            #expect(one != DecodedValue(messagePack: secret(name, "hunter3")))
            #expect(!"\(one)".contains("hunter2") && !"\(one.json)".contains("hunter2"))
        }
    }

    @Test("an object that is damaged leaves what is around it")
    func damagedObject() {
        let bytes: [UInt8] = [0x93, 1, 0xC7, 3, 5, 0x92, 1, 2, 3]
        #expect(json(bytes).hasPrefix(#"[1,{"$opaque":"damaged","size":3,"note":"an object (extension 5)"#))
        #expect(json(bytes).hasSuffix(",3]"))
        // A known extension whose value is not what the extension needs is still shown.
        let odd = [0x93] + text("m") + text("N") + [7]
        #expect(json([0xC7, UInt8(odd.count), 5] + odd) == #"{"$type":"m.N","$value":7}"#)
    }

    @Test("depth and the number of values are bounded")
    func limits() {
        let deep = [UInt8](repeating: 0x91, count: 100_000) + [1]
        let found = DecodedValue(messagePack: deep).json.text.bytes
        #expect(
            String(decoding: found, as: UTF8.self).contains(#"{"$cut":"99801 bytes nested deeper than 200 levels"}"#))
        // Extensions within extensions, each of which holds all the rest.
        var snapshots: [UInt8] = [1]
        for _ in 0..<50_000 {
            let size = UInt32(snapshots.count)
            snapshots += [
                7, UInt8(size & 0xFF), UInt8(size >> 8 & 0xFF), UInt8(size >> 16 & 0xFF), UInt8(size >> 24), 0xC9,
            ]
        }
        let nested = DecodedValue(messagePack: snapshots.reversed())
        #expect(String(decoding: nested.json.text.bytes, as: UTF8.self).contains("nested deeper than 200 levels"))

        let wide: [UInt8] = [0x82, 0xA1, 0x61, 0xDC, 0, 10] + [UInt8](repeating: 1, count: 10) + [0xA1, 0x62, 1]
        let cut = DecodedValue(messagePack: wide, limits: DecodingLimits(values: 6)).json
        #expect(
            String(decoding: cut.text.bytes, as: UTF8.self)
                == #"{"$map":[["a",[1,1,1,{"$cut":"7 more"}]],[{"$cut":"1 more"},null]]}"#)
        // A length that is a lie costs nothing.
        #expect(json([0xDD, 0xFF, 0xFF, 0xFF, 0xFF]).contains("it ends in the middle"))
        #expect(json([0xDF, 0xFF, 0xFF, 0xFF, 0xFF, 1]).contains("it ends in the middle"))
    }

    @Test("values that are decoded together share the limits by their bytes")
    func shared() {
        // 4,000 and 12,000 times null, of which 8,000 may be decoded.
        let blobs: [(channel: String, type: String, bytes: [UInt8]?)] = [4_000, 12_000].map { count in
            let head = [0xDC, UInt8(count >> 8), UInt8(count & 0xFF)]
            return ("\(count)", "msgpack", head + [UInt8](repeating: 0xC0, count: count))
        }
        func lengths(_ values: Int) -> [Int] {
            DecodedState(document: .null, blobs: blobs, limits: DecodingLimits(values: values)).entries
                .sorted { $0.key.string?.count ?? 0 < $1.key.string?.count ?? 0 }
                .map { if case .array(let elements) = $0.value { elements.count } else { 0 } }
        }
        #expect(lengths(20_000) == [4_000, 12_000])
        // Itself, its elements, and what says how many are left out.
        #expect(lengths(8_000).map { $0 / 10 } == [200, 599])
        #expect(DecodingLimits(values: 100).share(of: 1, in: 1_000).values == 1_000)
        #expect(DecodingLimits(values: 100).share(of: 7, in: 7).values == 100)
    }

    @Test("damaged bytes are shown as something, and never end the program")
    func fuzz() {
        var generator = SeededGenerator(seed: testSeed("DecodingTests.fuzz"))
        let message =
            [0x94] + text("langchain_core.messages.human") + text("HumanMessage")
            + [0x81] + text("content") + text("hi") + text("model_validate_json")
        let whole: [UInt8] =
            [0x83] + text("messages") + [0x92, 0xC7, UInt8(message.count), 5] + message + [0xC0]
            + text("array") + [0xC7, 15, 6, 0x94, 0xA3, 0x3C, 0x69, 0x34, 0x91, 1, 0xA1, 0x43, 0xC4, 4, 1, 0, 0, 0]
            + text("n") + [0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0]
        #expect(json(whole).contains(#""content":"hi""#) && json(whole).contains(#""first":[1]"#))
        for round in 0..<20_000 {
            var bytes = whole
            if round.isMultiple(of: 4) {
                bytes = (0..<Int.random(in: 0...64, using: &generator)).map { _ in
                    .random(in: .min ... .max, using: &generator)
                }
            }
            for _ in 0..<Int.random(in: 0...4, using: &generator) where !bytes.isEmpty {
                let place = bytes.indices.randomElement(using: &generator) ?? 0
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = .random(in: .min ... .max, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(.random(in: .min ... .max, using: &generator), at: place)
                }
            }
            let types = ["msgpack", "json", "bytes", "null", "msgpack+aes"]
            let value = DecodedValue(type: types.randomElement(using: &generator), bytes: bytes)
            #expect(throws: Never.self) { try JSONValue(parsing: value.json.text.bytes) }
        }
    }

    @Test(
        "the first numbers of an array",
        arguments: [
            ("<i2", [0xFF, 0xFF, 1, 0], "[-1,1]"), (">i2", [0xFF, 0xFE], "[-2]"), ("|u1", [255, 0], "[255,0]"),
            ("|b1", [1, 0], "[true,false]"), ("<f4", [0, 0, 0xC0, 0x3F], "[1.5]"),
            ("<f2", [0, 0x3C, 0, 0xC0, 0, 0x7C, 1, 0], #"[1.0,-2.0,{"$float":"Infinity"},5.960464477539063e-08]"#),
            ("<f8", [0, 0, 0, 0, 0, 0, 0xF0], "[]"), ("<U4", [1, 0, 0, 0], "[]"), ("O", [1], "[]"), ("", [1], "[]"),
            ("<c16", [1], "[]"),
        ] as [(String, [UInt8], String)])
    func numbers(_ type: String, _ bytes: [UInt8], _ text: String) {
        let first = NumberArray(type: type, shape: [], order: "C", bytes: bytes).first(16)
        #expect(String(decoding: DecodedValue.array(first).json.text.bytes, as: UTF8.self) == text)
    }

    private func text(_ text: String) -> [UInt8] {
        [0xD9, UInt8(text.utf8.count)] + Array(text.utf8)
    }
}
