import JSON
import Testing

/// Bodies read by shape: what is recorded, and how it is read back.
@Suite("Documents", .timeLimit(.minutes(5)))
struct JSONDocumentTests {
    /// A body in the manner of put-writes.
    private static let body = JSONShape.object(
        JSONFields([
            ("thread_id", .value), ("checkpoint", .value),
            (
                "writes",
                .array(.object(JSONFields([("idx", .number), ("channel", .value), ("blob", .value)])))
            ),
            ("versions", .object(JSONFields([("a", .value)]))), ("long_name_of_sixteen", .value),
            ("long_name_of_sixtee_", .value),
        ])
    )
    private static let (thread, checkpoint, writes, versions) = (0, 1, 2, 3)

    private func read<Result>(
        _ text: String,
        shape: JSONShape = body,
        limits: JSONLimits = .default,
        _ inspect: (JSONDocument) throws -> Result
    ) throws -> Result {
        try Array(text.utf8).withUnsafeBytes { bytes in
            try inspect(JSONDocument(parsing: bytes, shape: shape, limits: limits))
        }
    }

    @Test("Members are found in any order among unknown ones, and read back exactly")
    func members() throws {
        let text = """
             { "other" : [1, {"thread_id": "no"}], "writes":[ {"blob":"Zm9v", "x":{},
            "idx": 2,"channel":"c\\n"} ,
            {"idx":-1e2}], "thread_id" : "t", "checkpoint" : { "v" : 1.0 , "d":[ ] } , "last":null}\n
            """
        try read(text) { document in
            #expect(document.root.kind == .object)
            #expect(document.utf8String(of: document.member(Self.thread, of: document.root)) == "t")
            let checkpoint = document.member(Self.checkpoint, of: document.root)
            #expect(document.text(of: checkpoint).bytes == Array(#"{ "v" : 1.0 , "d":[ ] }"#.utf8))
            #expect(Array(Array(text.utf8)[checkpoint.start..<checkpoint.end]) == document.text(of: checkpoint).bytes)
            let missing = document.member(Self.versions, of: document.root)
            #expect(missing.kind == .missing)
            #expect(document.text(of: missing).bytes == Array("null".utf8))

            let writes = document.member(Self.writes, of: document.root)
            #expect(writes.kind == .array)
            #expect(writes.elementCount == 2)
            var seen: [String] = []
            document.forEachElement(of: writes) { index, write in
                let idx = document.number(of: document.member(0, of: write)).text
                let channel = document.utf8String(of: document.member(1, of: write)) ?? "-"
                let blob =
                    document.base64(of: document.member(2, of: write)).map { String(decoding: $0, as: UTF8.self) }
                    ?? "-"
                seen.append("\(index) \(idx) \(channel) \(blob)")
            }
            #expect(seen == ["0 2 c\n foo", "1 -1e2 - -"])
        }
    }

    private static let kinds: [(String, JSONKind)] = [
        ("null", .null), ("true", .true), ("false", .false), ("1", .number), ("-1.5e3", .number), (#""s""#, .string),
        ("[]", .array), ("[1]", .array),
        ("{}", .object), (#"{"a":1}"#, .object),
    ]

    @Test("Every kind is told, with its exact text, whatever the shape expected", arguments: kinds)
    func tellsKinds(_ text: String, _ kind: JSONKind) throws {
        for shape in [.value, .number, .array(.value), .object(JSONFields([("a", .value)])), .object(JSONFields([]))]
            as [JSONShape]
        {
            try read(" \(text)\n", shape: shape) { document in
                #expect(document.root.kind == kind)
                #expect(document.text(of: document.root).bytes == Array(text.utf8))
                #expect(document.root.start == 1)
                #expect(document.root.end == 1 + text.utf8.count)
                #expect(document.root.hasUnrepresentableNumber == false)
            }
        }
    }

    @Test("Nothing is recorded below a plain value")
    func plainValues() throws {
        try read(#"{"thread_id":[1,2],"checkpoint":{"a":1},"writes":{"idx":1},"versions":[1]}"#) { document in
            let nodes = (0..<4).map { document.member($0, of: document.root) }
            #expect(nodes.map(\.kind) == [.array, .object, .object, .array])
            #expect(nodes.map(\.elementCount) == [0, 0, 0, 0])
            for node in nodes {
                #expect(document.member(0, of: node).kind == .missing)
                document.forEachElement(of: node) { _, _ in Issue.record("no element is recorded") }
            }
        }
    }

    @Test("Of duplicate members the last counts, with all that is in it")
    func duplicates() throws {
        let text = """
            {"writes":[{"idx":1},{"idx":2}],"thread_id":"a",
            "writes":[{"idx":3}],"thread_id":7,"versions":{"a":1,"a":2}}
            """
        try read(text) { document in
            let writes = document.member(Self.writes, of: document.root)
            #expect(writes.elementCount == 1)
            document.forEachElement(of: writes) { index, write in
                #expect(index == 0)
                #expect(document.number(of: document.member(0, of: write)).text == "3")
                #expect(document.member(1, of: write).kind == .missing)
            }
            #expect(document.member(Self.thread, of: document.root).kind == .number)
            let versions = document.member(Self.versions, of: document.root)
            #expect(document.number(of: document.member(0, of: versions)).text == "2")
        }
    }

    @Test("A name matches however it is escaped, and only when it is the whole name")
    func names() throws {
        let text = #"""
            {"thread\u005fid":"x","\u0077rites":[1],"version":1,"versions ":1,
            "long_name_of_sixtee_":2,"Checkpoint":1}
            """#
        try read(text) { document in
            #expect(document.utf8String(of: document.member(Self.thread, of: document.root)) == "x")
            #expect(document.member(Self.writes, of: document.root).elementCount == 1)
            #expect(document.member(Self.versions, of: document.root).kind == .missing)
            #expect(document.member(Self.checkpoint, of: document.root).kind == .missing)
            #expect(document.member(4, of: document.root).kind == .missing)
            #expect(document.member(5, of: document.root).kind == .number)
        }
        let fields = ["", "a", "ab", "\u{0}", "é", "sevenby", "eightbyt", "ninebytes", "Å"]
        let shape = JSONShape.object(JSONFields(fields.map { ($0, .value) }))
        let body = JSONValue.object(
            fields.map { JSONMember(name: JSONString($0), value: .string(JSONString($0))) }.reversed()
        ).text
        try body.bytes.withUnsafeBytes { bytes in
            let document = try JSONDocument(parsing: bytes, shape: shape)
            for (index, field) in fields.enumerated() {
                #expect(document.utf8String(of: document.member(index, of: document.root)) == field)
            }
            #expect(document.member(fields.count, of: document.root).kind == .missing)
        }
    }

    @Test("Arrays of arrays are recorded as deep as the shape goes")
    func nestedArrays() throws {
        try read("[[1,[2]],[],3,[4,5]]", shape: .array(.array(.value))) { document in
            var seen: [[String]] = []
            document.forEachElement(of: document.root) { _, row in
                var texts: [String] = []
                document.forEachElement(of: row) { _, cell in
                    texts.append(String(decoding: document.text(of: cell).bytes, as: UTF8.self))
                }
                seen.append(texts)
            }
            #expect(seen == [["1", "[2]"], [], [], ["4", "5"]])
        }
    }

    @Test("An error thrown for an element ends the walk and keeps its type")
    func throwing() throws {
        struct Stop: Error, Equatable { let index: Int }
        try read("[1,2,3]", shape: .array(.value)) { document in
            var visited = 0
            do throws(Stop) {
                try document.forEachElement(of: document.root) { index, _ throws(Stop) in
                    visited += 1
                    if index == 1 { throw Stop(index: index) }
                }
                Issue.record("nothing was thrown")
            } catch {
                #expect(error == Stop(index: 1))
            }
            #expect(visited == 2)
        }
    }

    @Test("Strings are read as WTF-8, as text unless a surrogate is alone, and as bytes when canonical base64")
    func strings() throws {
        let cases: [(String, JSONString, String?, [UInt8]?)] = [
            (#""""#, "", "", []), (#""Zm9v""#, "Zm9v", "Zm9v", Array("foo".utf8)),
            (#""Zm\n9v""#, "Zm\n9v", "Zm\n9v", Array("foo".utf8)),
            (#""\/\u002b\u002B\/""#, "/++/", "/++/", [0xFF, 0xEF, 0xBF]), (#""Zg=\u003d""#, "Zg==", "Zg==", [0x66]),
            (#""é\"""#, "é\"", "é\"", nil), (#""日本""#, "日本", "日本", nil), (#""Zm9""#, "Zm9", "Zm9", nil),
        ]
        for (literal, string, text, bytes) in cases {
            try read(literal, shape: .value) { document in
                #expect(document.string(of: document.root) == string)
                #expect(document.utf8String(of: document.root) == text)
                #expect(document.base64(of: document.root) == bytes, "\(literal)")
            }
        }
        try read(#""a\ud800""#, shape: .value) { document in
            #expect(document.utf8String(of: document.root) == nil)
            #expect(document.string(of: document.root).wtf8 == [0x61, 0xED, 0xA0, 0x80])
        }
        try read("1", shape: .value) { document in
            #expect(document.utf8String(of: document.root) == nil)
            #expect(document.base64(of: document.root) == nil)
        }
    }
}
