import Checkpoints
import JSON
import TestSupport
import Testing

@Suite("Channel versions")
struct ChannelVersionTests {
    @Test(
        "a document names pairs only when channel_versions is an object",
        arguments: [
            "{}", #"{"channel_versions":null}"#, #"{"channel_versions":["a"]}"#, #"{"channel_versions":"a"}"#,
            #"{"channel_versions":5}"#, #"{"channel_versions":false}"#, #"{"channel_versions":{}}"#,
            #"{"inner":{"channel_versions":{"a":"1"}}}"#,
        ]
    )
    func none(_ document: String) throws {
        #expect(try ChannelVersion.all(in: JSONText(stringLiteral: document)) == [])
    }

    @Test("pairs come in the document's order, and the last of a channel named twice counts")
    func order() throws {
        let document: JSONText = #"{"channel_versions":{"z":"1","a":"2","z":"3","\u0061b":"4"},"x":1}"#
        let expected: [ChannelVersion] = [
            .init(channel: "z", version: "3"), .init(channel: "a", version: "2"), .init(channel: "ab", version: "4"),
        ]
        #expect(try ChannelVersion.all(in: document) == expected)
    }

    @Test("a channel or version that cannot be an identifier names nothing")
    func noIdentifiers() throws {
        let document: JSONText = #"{"channel_versions":{"\ud800":"1","a":"\udc00","b":"2","c\u0000":"1","d":"\u0000"}}"#
        #expect(try ChannelVersion.all(in: document) == [ChannelVersion(channel: "b", version: "2")])
    }

    /// Left: a version as JSON.
    ///
    /// Right: what Python's `str()` prints once `jsonb` has held it.
    static let texts: [(String, String)] = [
        (#""1""#, "1"), ("1", "1"), ("-0", "0"), ("1.0", "1.0"), ("1.00", "1.0"), ("0.10", "0.1"), ("-0.0", "0.0"),
        ("1e2", "100"), ("1e16", "10000000000000000"), ("1e-7", "1e-07"), ("1.0000000000000000001", "1.0"),
        ("12345678901234567890123", "12345678901234567890123"), ("true", "True"), ("false", "False"),
        ("null", "None"), (#"["x"]"#, "['x']"), ("[]", "[]"), ("[1,[2.50],null]", "[1, [2.5], None]"),
        (#"{"k":1}"#, "{'k': 1}"), (#"{"bb":1,"a":"x","bb":2}"#, "{'a': 'x', 'bb': 2}"), ("{}", "{}"),
        (#"["it's"]"#, #"["it's"]"#), (#"["\"it's\""]"#, #"['"it\'s"']"#),
        (#"["a\\b\n\t\r\u0001"]"#, #"['a\\b\n\t\r\x01']"#),
        (#"["é\u00a0\u200b\ud83d\ude00"]"#, #"['é\xa0\u200b😀']"#),
        (#"["\ue000\udb80\udc00"]"#, #"['\ue000\U000f0000']"#),
    ]

    @Test("a version that is no string is compared by its Python text", arguments: texts)
    func pythonText(_ version: String, _ expected: String) throws {
        let document = JSONText(stringLiteral: "{\"channel_versions\":{\"f\":\(version)}}")
        #expect(try ChannelVersion.all(in: document).map(\.version.text) == [expected])
    }
}
