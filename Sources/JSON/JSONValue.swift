/// A JSON value in full: what metadata filters compare and small answers are built from.
///
/// It keeps what the text said: members in their order with their duplicates, numbers as written. Two are `==` when
/// they say the same in the same order; `contains(_:)` compares by meaning.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(JSONString)
    case array([JSONValue])
    case object([JSONMember])

    /// The member of an object with that name, the last when there are several; nil when this is not an object.
    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.name.wtf8.elementsEqual(key.utf8) }?.value
    }

    /// The text of a string; nil for anything else, and for a string that has half of a surrogate pair.
    package var string: String? {
        if case .string(let string) = self { string.string } else { nil }
    }

    /// The value of an integer that fits; nil for anything else, and for `1.0`.
    package var int: Int? {
        if case .number(let number) = self { number.int } else { nil }
    }

    /// The value's text, compact, as `JSONWriter` writes it.
    package var text: JSONText {
        var writer = JSONWriter()
        writer.value(self)
        return JSONText(trusted: writer.bytes)
    }
}

/// A name and its value in an object.
package struct JSONMember: Sendable, Hashable {
    package let name: JSONString
    package let value: JSONValue

    package init(name: JSONString, value: JSONValue) {
        self.name = name
        self.value = value
    }
}
