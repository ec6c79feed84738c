import JSON
import SQLiteStorage
import Serde
import Testing

@Suite("Checkpoints of LangGraph's SqliteSaver")
struct LangGraphCheckpointTests {
    @Test(
        "every form of msgpack that JSON has one for",
        arguments: [
            ([0xC0], "null"), ([0xC2], "false"), ([0xC3], "true"), ([0x7F], "127"), ([0xFF], "-1"), ([0xE0], "-32"),
            ([0xCC, 0xFF], "255"), ([0xCD, 1, 0], "256"), ([0xCE, 0, 1, 0, 0], "65536"),
            ([0xCF, 255, 255, 255, 255, 255, 255, 255, 255], "18446744073709551615"),
            ([0xD0, 0x80], "-128"), ([0xD1, 0x80, 0], "-32768"), ([0xD2, 0x80, 0, 0, 0], "-2147483648"),
            ([0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0], "-9223372036854775808"),
            ([0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0], "1.5"), ([0xCB, 0, 0, 0, 0, 0, 0, 0, 0], "0.0"),
            ([0xA2, 0xC3, 0xA9], "\"é\""), ([0xD9, 1, 0x22], #""\"""#), ([0xDA, 0, 1, 0x41], "\"A\""),
            ([0xDB, 0, 0, 0, 1, 0x41], "\"A\""), ([0x92, 1, 0x90], "[1,[]]"), ([0xDC, 0, 1, 1], "[1]"),
            ([0xDD, 0, 0, 0, 1, 1], "[1]"), ([0x81, 0xA1, 0x61, 0x80], #"{"a":{}}"#),
            ([0xDE, 0, 1, 0xA1, 0x61, 1], #"{"a":1}"#),
            ([0xDF, 0, 0, 0, 0], "{}"),
        ] as [([UInt8], String)])
    func json(_ bytes: [UInt8], _ text: String) throws {
        var (reader, writer) = (MessagePackReader(bytes), JSONWriter())
        try reader.writeJSON(to: &writer)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text && reader.isAtEnd)
        var skipping = MessagePackReader(bytes + [1])
        #expect(try skipping.skip() == bytes.indices)
        // Every beginning of it is refused, by both.
        for count in bytes.indices {
            var (cut, alsoCut) = (MessagePackReader(Array(bytes[..<count])), MessagePackReader(Array(bytes[..<count])))
            #expect(throws: MessagePackReader.Failure.self) { try cut.writeJSON(to: &writer) }
            #expect(throws: MessagePackReader.Failure.self) { try alsoCut.skip() }
        }
    }

    @Test(
        "what JSON has no form for is refused",
        arguments: [
            [0xC1], [0xC4, 1, 0], [0xD4, 0, 1], [0xC7, 1, 5, 0], [0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0], [0xA1, 0xFF],
            [0x81, 1, 1], [UInt8](repeating: 0x91, count: 5_000) + [1],
        ] as [[UInt8]])
    func refused(_ bytes: [UInt8]) {
        var (reader, writer) = (MessagePackReader(bytes), JSONWriter())
        #expect(throws: MessagePackReader.Failure.self) { try reader.writeJSON(to: &writer) }
    }

    @Test("values that JSON has a form for stay in the document, a snapshot leaves true, others are blobs")
    func split() throws {
        let checkpoint = map([
            ("v", [4]),
            (
                "channel_values",
                map([
                    ("text", text("x")), ("none", [0xC0]), ("list", [0x91, 1]), ("not a number", nan),
                    ("snapshot", snapshot),
                    ("bytes", [0xC4, 1, 9]),
                ])
            ),
            ("channel_versions", map([("text", text("1.5")), ("list", [2])])),
        ])
        let found = try LangGraphCheckpoint(type: "msgpack", bytes: checkpoint)
        #expect(
            String(decoding: found.document.bytes, as: UTF8.self)
                == #"{"v":4,"channel_values":{"text":"x","none":null,"snapshot":true},"channel_versions":{"text":"1.5","list":2}}"#
        )
        #expect(
            found.values == [
                .init(channel: "list", type: "msgpack", bytes: [0x91, 1]),
                .init(channel: "not a number", type: "msgpack", bytes: nan),
                .init(channel: "snapshot", type: "msgpack", bytes: snapshot),
                .init(channel: "bytes", type: "msgpack", bytes: [0xC4, 1, 9]),
            ]
        )
    }

    @Test("messages to tasks of old checkpoints become a channel, where JSON has no form for them")
    func sends() throws {
        let versions = map([("a", text("002.1")), ("b", text("010.1")), ("c", text("009.9"))])
        let send: [UInt8] = [0x91, 0xD4, 1, 0]
        let found = try LangGraphCheckpoint(
            type: "msgpack", bytes: map([("channel_versions", versions), ("pending_sends", send)]))
        #expect(found.values == [.init(channel: "__pregel_tasks", type: "msgpack", bytes: send)])
        #expect(
            String(decoding: found.document.bytes, as: UTF8.self)
                == #"{"channel_versions":{"a":"002.1","b":"010.1","c":"009.9","__pregel_tasks":"010.1"},"pending_sends":[]}"#
        )
        let plain = try LangGraphCheckpoint(type: "msgpack", bytes: map([("pending_sends", [0x90])]))
        #expect(plain.document == JSONText(trusted: Array(#"{"pending_sends":[]}"#.utf8)) && plain.values == [])
    }

    @Test("JSON of the first versions is taken apart too")
    func fromJSON() throws {
        let text = #"{"v": 1, "channel_values": {"a": 1.0, "b": {"lc": 2, "x": [1]}}, "channel_versions": {"b": "1"}}"#
        let found = try LangGraphCheckpoint(type: "json", bytes: Array(text.utf8))
        #expect(found.values == [.init(channel: "b", type: "json", bytes: Array(#"{"lc":2,"x":[1]}"#.utf8))])
        #expect(
            String(decoding: found.document.bytes, as: UTF8.self)
                == #"{"v":1,"channel_values":{"a":1.0},"channel_versions":{"b":"1"}}"#
        )
    }

    @Test(
        "what cannot be taken apart says why",
        arguments: [
            ("msgpack+aes", [1], "msgpack+aes"), ("pickle", [0x80], "pickle"), (nil, [], "''"),
            ("msgpack", [0x91, 1], "map"),
            ("msgpack", [0x80, 1], "end"), ("json", [0x5B], "JSON"), ("json", Array("[]".utf8), "object"),
        ] as [(String?, [UInt8], String)])
    func failures(_ type: String?, _ bytes: [UInt8], _ word: String) {
        let error = #expect(throws: LangGraphCheckpoint.Failure.self) {
            try LangGraphCheckpoint(type: type, bytes: bytes)
        }
        #expect(error?.detail.contains(word) == true)
    }

    private let nan: [UInt8] = [0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0]
    private let snapshot: [UInt8] = [0xD4, 7, 1]

    private func text(_ text: String) -> [UInt8] {
        [0xA0 | UInt8(text.utf8.count)] + Array(text.utf8)
    }

    private func map(_ members: [(String, [UInt8])]) -> [UInt8] {
        [0x80 | UInt8(members.count)] + members.flatMap { text($0) + $1 }
    }
}
