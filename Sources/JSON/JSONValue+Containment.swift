extension JSONValue {
    /// Whether this contains the other as PostgreSQL's `jsonb` operator `@>` has it.
    ///
    /// An object contains another when it has every member of it with a value that contains the other's value; of
    /// duplicate members the last counts. An array contains another when each element of the other is contained in some
    /// element of it, in any order and any number of times. Scalars contain their equals: numbers by exact value,
    /// strings by bytes. At the top level only, an array contains a scalar that is one of its elements.
    /// https://www.postgresql.org/docs/current/datatype-json.html#JSON-CONTAINMENT
    ///
    /// Costs at most the product of both sizes, and about their sum when there are no arrays of arrays or objects.
    package func contains(_ other: JSONValue) -> Bool {
        guard case .array(let elements) = self, other.isScalar else { return holds(other) }
        return elements.contains { $0.isScalar && $0.holds(other) }
    }

    private var isScalar: Bool {
        switch self {
        case .null, .bool, .number, .string: true
        case .array, .object: false
        }
    }

    /// Containment without the exception for the top level.
    private func holds(_ other: JSONValue) -> Bool {
        switch (self, other) {
        case (.null, .null): true
        case (.bool(let bool), .bool(let other)): bool == other
        case (.number(let number), .number(let other)): number.isEqual(other)
        case (.string(let string), .string(let other)): string == other
        case (.array(let elements), .array(let others)): Self.elements(elements, hold: others)
        case (.object(let members), .object(let others)): Self.members(members, hold: others)
        default: false
        }
    }

    private static func members(_ members: [JSONMember], hold others: [JSONMember]) -> Bool {
        guard others.count > few else {
            return others.indices.allSatisfy { index in
                let name = others[index].name
                if others[(index + 1)...].contains(where: { $0.name == name }) { return true }
                return members.last { $0.name == name }.map { $0.value.holds(others[index].value) } ?? false
            }
        }
        let values = lastValues(of: members)
        return lastValues(of: others).allSatisfy { name, other in
            values[name].map { $0.holds(other) } ?? false
        }
    }

    private static func lastValues(of members: [JSONMember]) -> [JSONString: JSONValue] {
        Dictionary(members.map { ($0.name, $0.value) }) { _, last in last }
    }

    private static func elements(_ elements: [JSONValue], hold others: [JSONValue]) -> Bool {
        guard others.count > few else {
            return others.allSatisfy { other in elements.contains { $0.holds(other) } }
        }
        let scalars = Set(elements.compactMap(ScalarKey.init))
        let containers = elements.filter { !$0.isScalar }
        return others.allSatisfy { other in
            if let scalar = ScalarKey(other) { return scalars.contains(scalar) }
            return containers.contains { $0.holds(other) }
        }
    }

    /// Up to this many members or elements are looked for one by one: a filter seldom has more.
    private static let few = 8
}

/// A scalar by its meaning, so that equal ones are found by hash; nil for arrays and objects.
private enum ScalarKey: Hashable {
    case null
    case bool(Bool)
    case number(JSONDecimal)
    case string(JSONString)

    init?(_ value: JSONValue) {
        switch value {
        case .null: self = .null
        case .bool(let bool): self = .bool(bool)
        case .number(let number): self = .number(number.decimal)
        case .string(let string): self = .string(string)
        case .array, .object: return nil
        }
    }
}
