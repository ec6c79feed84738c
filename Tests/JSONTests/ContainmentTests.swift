import JSON
import Testing

/// PostgreSQL's `@>`, rule by rule; the answers in the tables are those of PostgreSQL 15.
@Suite("Containment", .timeLimit(.minutes(5)))
struct ContainmentTests {
    private func contains(_ left: String, _ right: String) throws -> Bool {
        try JSONValue(parsing: Array(left.utf8)).contains(JSONValue(parsing: Array(right.utf8)))
    }

    private static let contained: [(String, String)] = [
        // Objects.
        ("{}", "{}"), (#"{"a":1}"#, "{}"), (#"{"a":1,"b":2}"#, #"{"b":2}"#), (#"{"a":1,"b":2}"#, #"{"b":2,"a":1}"#),
        (#"{"a":{"b":1,"c":2}}"#, #"{"a":{"b":1}}"#), (#"{"a":{"b":1}}"#, #"{"a":{}}"#),
        (#"{"a":null}"#, #"{"a":null}"#),
        (#"{"a":[1,2,3]}"#, #"{"a":[3,1]}"#), (#"{"a":[{"b":1,"c":2},3]}"#, #"{"a":[{"c":2}]}"#),
        (#"{"":1}"#, #"{"":1}"#),
        // Duplicate members: the last counts, on both sides.
        (#"{"a":1,"a":2}"#, #"{"a":2}"#), (#"{"a":2}"#, #"{"a":1,"a":2}"#),
        // Arrays: order and multiplicity do not matter.
        ("[]", "[]"), ("[1,2,3]", "[]"), ("[1,2,3]", "[3,1,1,1]"), ("[1]", "[1,1]"), ("[[1,2],[3]]", "[[2]]"),
        ("[[1,2],[3]]", "[[3],[1]]"),
        ("[[2,3]]", "[[3]]"), ("[[]]", "[[]]"), ("[[1]]", "[[]]"), ("[{}]", "[{}]"), (#"[{"a":1}]"#, "[{}]"),
        (#"[1,"a",null,true]"#, #"[null,"a"]"#), ("[1,[2]]", "[[2],1]"), ("[[[1,2]]]", "[[[1]]]"),
        // The exception at the top: an array contains its scalars.
        ("[1,2]", "2"), (#"["foo","bar"]"#, #""bar""#), ("[null]", "null"), ("[true]", "true"), ("[1.0]", "1"),
        // Scalars: numbers by value, strings by bytes.
        ("1", "1"), ("1", "1.0"), ("1e2", "100"), ("-0", "0"), (#""a""#, #""\u0061""#), ("null", "null"),
        ("true", "true"),
        (#"{"a":1.50}"#, #"{"a":15e-1}"#),
    ]

    private static let notContained: [(String, String)] = [
        ("{}", #"{"a":1}"#), (#"{"a":1}"#, #"{"a":2}"#), (#"{"a":1}"#, #"{"b":1}"#), (#"{"a":{"b":1}}"#, #"{"b":1}"#),
        (#"{"a":null}"#, #"{"b":null}"#), (#"{"a":1}"#, #"{"a":null}"#), (#"{"a":1}"#, #"{"a":"1"}"#),
        (#"{"a":1}"#, #"{"a":true}"#),
        (#"{"a":{}}"#, #"{"a":[]}"#), (#"{"a":[]}"#, #"{"a":{}}"#), (#"{"a":1,"a":2}"#, #"{"a":1}"#),
        (#"{"a":1}"#, #"{"a":1,"a":2}"#),
        (#"{"A":1}"#, #"{"a":1}"#),
        ("[]", "[1]"), ("[1,2]", "[3]"), ("[1,2]", "[1,3]"), ("[[2,3]]", "[2]"), ("[2]", "[[2]]"),
        ("[[1],[2]]", "[[1,2]]"), ("[1]", "[{}]"),
        ("[[]]", "[{}]"), ("[{}]", "[[]]"), (#"[{"a":1},{"b":2}]"#, #"[{"a":1,"b":2}]"#), ("[1]", "{}"), ("{}", "[]"),
        // No exception below the top, nor the other way round, nor for what is nested.
        (#"{"a":[1,2]}"#, #"{"a":1}"#), ("[[1,2]]", "[1]"), ("[[1,2]]", "1"), ("1", "[1]"), ("[]", "1"),
        ("null", "[null]"), ("[[null]]", "null"),
        ("1", "2"), ("1", #""1""#), ("0", "false"), ("null", "false"), ("0.1", "0.10000000000000001"),
        (#""a""#, #""A""#), (#""é""#, #""e\u0301""#),
    ]

    @Test("The left contains the right", arguments: contained)
    func holds(_ left: String, _ right: String) throws {
        #expect(try contains(left, right))
    }

    @Test("The left does not contain the right", arguments: notContained)
    func doesNotHold(_ left: String, _ right: String) throws {
        #expect(try !contains(left, right))
    }

    private static let kinds: [JSONValue] = [nil, true, false, 1, "a", [], [1], [:], ["a": 1]]

    @Test("Of all kinds only the same kind is contained, but for a scalar in an array", arguments: kinds, kinds)
    func allKinds(_ left: JSONValue, _ right: JSONValue) {
        let expected: Bool =
            switch (left, right) {
            case (.array([1]), 1): true
            case (.array(let elements), .array([])): elements.count >= 0
            case (.object(let members), .object([])): members.count >= 0
            default: left == right
            }
        #expect(left.contains(right) == expected)
    }

    @Test("Long arrays and objects follow the same rules, whichever way they are searched", arguments: [1, 8, 9, 300])
    func largeContainers(_ count: Int) {
        let numbers = (0..<count).map { JSONValue.number(JSONNumber($0)) }
        let respelled = (0..<count).reversed().map { JSONValue.number(JSONNumber(trusted: "\($0).0")) }
        #expect(JSONValue.array(numbers).contains(.array(respelled)))
        #expect(!JSONValue.array(Array(numbers.dropLast())).contains(.array(respelled)))
        let nested = JSONValue.array(numbers.map { .array([$0, "x"]) })
        #expect(nested.contains(.array(respelled.map { .array([$0]) })))
        #expect(!nested.contains(.array(respelled.map { .array([$0, "y"]) })))

        let members = (0..<count).map { JSONMember(name: JSONString("k\($0)"), value: .number(JSONNumber($0))) }
        let shadowed = members.map { JSONMember(name: $0.name, value: "shadowed") }
        #expect(JSONValue.object(shadowed + members).contains(.object(members.reversed())))
        #expect(JSONValue.object(members).contains(.object(shadowed + members)))
        #expect(!JSONValue.object(members + shadowed).contains(.object(members)))
        #expect(!JSONValue.object(members).contains(.object(members + shadowed)))
        #expect(!JSONValue.object(Array(members.dropFirst())).contains(.object(members)))
    }

    @Test("Everything contains itself, and its members and elements one by one")
    func containsItself() throws {
        var generator = DocumentGenerator(stream: 5)
        for _ in 0..<500 {
            let value = try JSONValue(parsing: Array(generator.document().utf8))
            #expect(value.contains(value), "MILEPOST_SEED=\(SeededGenerator.seed)")
            switch value {
            case .array(let elements):
                #expect(elements.allSatisfy { value.contains(.array([$0])) }, "MILEPOST_SEED=\(SeededGenerator.seed)")
            case .object(let members):
                for member in members {
                    let last = members.last { $0.name == member.name }
                    #expect(last.map { value.contains(.object([$0])) } == true, "MILEPOST_SEED=\(SeededGenerator.seed)")
                }
            default: break
            }
        }
    }
}
