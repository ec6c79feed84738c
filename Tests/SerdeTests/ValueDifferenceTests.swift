import JSON
import Serde
import Testing

@Suite("The difference of two values")
struct ValueDifferenceTests {
    private func lines(_ before: String, _ after: String) throws -> [String] {
        func entries(_ text: String) throws -> [DecodedEntry] {
            guard case .map(let entries) = DecodedValue(try JSONValue(parsing: Array(text.utf8))) else { return [] }
            return entries
        }
        return ValueDifference.between(try entries(before), try entries(after)).map(Self.line)
    }

    private static func line(_ difference: ValueDifference) -> String {
        func text(_ value: DecodedValue) -> String { String(decoding: value.json.text.bytes, as: UTF8.self) }
        return switch difference.change {
        case .added(let value): "+ \(difference.path) \(text(value))"
        case .removed(let value): "- \(difference.path) \(text(value))"
        case .changed(let old, let new): "~ \(difference.path) \(text(old)) \(text(new))"
        }
    }

    @Test(
        "place by place",
        arguments: [
            (#"{"a":1}"#, #"{"a":1}"#, []),
            (#"{"a":1,"b":2}"#, #"{"b":3,"c":4}"#, ["~ b 2 3", "+ c 4", "- a 1"]),
            (#"{"a":{"b":{"c":1}}}"#, #"{"a":{"b":{"c":2}}}"#, ["~ a.b.c 1 2"]),
            (#"{"a":{"x.y":1,"":2}}"#, #"{"a":{"x.y":2,"":3}}"#, [#"~ a["x.y"] 1 2"#, #"~ a[""] 2 3"#]),
            // A conversation that went on, one that was cut at its beginning, and one that was changed in between.
            (#"{"m":[1,2]}"#, #"{"m":[1,2,3]}"#, ["+ m[2] 3"]),
            (#"{"m":[1,2,3]}"#, #"{"m":[3]}"#, ["- m[0] 1", "- m[1] 2"]),
            (#"{"m":[1,{"c":2},3]}"#, #"{"m":[1,{"c":4},3]}"#, ["~ m[1].c 2 4"]),
            (#"{"m":[1,2,9]}"#, #"{"m":[1,5,6,9]}"#, ["~ m[1] 2 5", "+ m[2] 6"]),
            (#"{"m":[]}"#, #"{"m":[1]}"#, ["+ m[0] 1"]),
            (#"{"a":1}"#, #"{"a":1.0}"#, ["~ a 1 1.0"]), (#"{"a":{}}"#, #"{"a":{"b":1}}"#, [#"~ a {} {"b":1}"#]),
        ])
    func places(_ before: String, _ after: String, _ expected: [String]) throws {
        #expect(try lines(before, after) == expected)
    }

    @Test("objects of one type field by field, of two types as a whole, sets without their order")
    func objects() {
        func entries(_ value: DecodedValue) -> [DecodedEntry] { [DecodedEntry(DecodedValue("v"), value)] }
        func message(_ type: String, _ content: String) -> DecodedValue {
            .object(type: type, .fields([DecodedEntry(DecodedValue("content"), DecodedValue(content))]))
        }
        func set(_ names: String...) -> DecodedValue {
            .object(type: "builtins.set", .value(.array(names.map { DecodedValue($0) })))
        }
        func lines(_ before: DecodedValue, _ after: DecodedValue) -> [String] {
            ValueDifference.between(entries(before), entries(after)).map(Self.line)
        }
        #expect(lines(message("m.A", "x"), message("m.A", "y")) == [#"~ v.content "x" "y""#])
        #expect(lines(message("m.A", "x"), message("m.B", "x")).count == 1)
        #expect(lines(.snapshot(message("m.A", "x")), .snapshot(message("m.A", "y"))) == [#"~ v.content "x" "y""#])
        #expect(lines(set("a", "b"), set("b", "a")) == [])
        #expect(lines(set("a", "b"), set("c", "a")) == [#"+ v{} "c""#, #"- v{} "b""#])
    }

    @Test("what differs only in what is not shown is a change all the same")
    func hidden() {
        let secrets = [1, 2].map { DecodedValue.secret(type: "pydantic.types.SecretStr", fingerprint: $0) }
        let key = DecodedValue("key")
        let found = ValueDifference.between([DecodedEntry(key, secrets[0])], [DecodedEntry(key, secrets[1])])
        #expect(found == [ValueDifference("key", .changed(secrets[0], secrets[1]))])
    }
}
