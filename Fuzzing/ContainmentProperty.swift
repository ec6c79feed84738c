import Foundation
import JSON

/// Containment is what PostgreSQL's manual says, spelled out without any haste.
enum ContainmentProperty {
    static func check(_ input: [UInt8]) {
        var choices = Choices(input)
        let left = value(&choices, depth: 4)
        // What is contained is often made from what contains it: few others are.
        let right = choices.byte() % 2 == 0 ? value(&choices, depth: 4) : part(of: left, &choices)
        for (one, other) in [(left, right), (right, left)] {
            let found = subject(one.contains(other)) { found in
                // An order that counts.
                if case (.array(let elements), .array(let others)) = (one, other), others.count > elements.count {
                    false
                } else {
                    found
                }
            }
            require(found == contains(one, other), "\(text(one)) @> \(text(other)) is \(found)")
            require(one.contains(one), "\(text(one)) contains itself")
        }
    }

    private static func text(_ value: JSONValue) -> String { String(decoding: value.text.bytes, as: UTF8.self) }

    // MARK: - The model

    /// The rules of https://www.postgresql.org/docs/current/datatype-json.html#JSON-CONTAINMENT, one after the other.
    private static func contains(_ left: JSONValue, _ right: JSONValue, isTop: Bool = true) -> Bool {
        switch (left, right) {
        case (.object(let members), .object(let others)):
            return last(others).allSatisfy { name, value in
                last(members)[name].map { contains($0, value, isTop: false) } ?? false
            }
        case (.array(let elements), .array(let others)):
            return others.allSatisfy { other in elements.contains { contains($0, other, isTop: false) } }
        case (.array, .object), (.object, _), (_, .array), (_, .object): return false
        case (.array(let elements), _):
            return isTop
                && elements.contains { element in
                    if case .array = element { return false }
                    return contains(element, right, isTop: false)
                }
        case (.number(let one), .number(let other)): return Decimal(string: one.text) == Decimal(string: other.text)
        default: return left == right
        }
    }

    private static func last(_ members: [JSONMember]) -> [JSONString: JSONValue] {
        var values: [JSONString: JSONValue] = [:]
        for member in members { values[member.name] = member.value }
        return values
    }

    // MARK: - Values

    private static let numbers = [
        "0", "-0", "0.0", "1", "1.0", "10e-1", "0.1e1", "-1", "100", "1e2", "1E+2", "0.5", "5e-1", "0.50",
        "12345678901234",
        "12345678901234.0", "1e14", "0.1", "0.10000000000000001",
    ]
    private static let names = ["", "a", "b", "c", "a\u{301}", "á", "1", "null"]

    private static func value(_ choices: inout Choices, depth: Int) -> JSONValue {
        switch choices.byte() % (depth > 0 ? 8 : 5) {
        case 0: return .null
        case 1: return .bool(choices.byte() % 2 == 0)
        case 2, 3: return .number(JSONNumber(trusted: numbers[Int(choices.byte()) % numbers.count]))
        case 4: return .string(name(&choices))
        case 5, 6:
            // More than eight are searched for another way.
            let count = Int(choices.byte()) % 20
            return .array((0..<count).map { _ in value(&choices, depth: depth - 1) })
        default:
            let count = Int(choices.byte()) % 20
            return .object(
                (0..<count).map { _ in JSONMember(name: name(&choices), value: value(&choices, depth: depth - 1)) }
            )
        }
    }

    private static func name(_ choices: inout Choices) -> JSONString {
        JSONString(names[Int(choices.byte()) % names.count])
    }

    /// The value with parts of it left out, moved, there twice, or something else.
    private static func part(of value: JSONValue, _ choices: inout Choices) -> JSONValue {
        func some<Element>(_ elements: [Element], _ change: (Element) -> Element) -> [Element] {
            var some: [Element] = []
            for element in elements {
                switch choices.byte() % 6 {
                case 0: break
                case 1: some.insert(change(element), at: 0)
                case 2: some += [element, change(element)]
                default: some.append(element)
                }
            }
            return some
        }
        var rest = choices
        defer { choices = rest }
        switch value {
        case .array(let elements): return .array(some(elements) { part(of: $0, &rest) })
        case .object(let members):
            return .object(some(members) { JSONMember(name: $0.name, value: part(of: $0.value, &rest)) })
        default: return choices.byte() % 8 == 0 ? self.value(&rest, depth: 1) : value
        }
    }
}
