import JSON

// JSON Schema fragments, in the form and order in which FastAPI prints them.
extension JSONValue {
    static func schema(
        _ type: String,
        title: String,
        range: ClosedRange<Int>? = nil,
        default value: JSONValue? = nil
    ) -> JSONValue {
        var members = [JSONMember(name: "type", value: .string(JSONString(type)))]
        if let range {
            members.append(JSONMember(name: "maximum", value: .number(JSONNumber(range.upperBound))))
            members.append(JSONMember(name: "minimum", value: .number(JSONNumber(range.lowerBound))))
        }
        members.append(.title(title))
        if let value { members.append(JSONMember(name: "default", value: value)) }
        return .object(members)
    }

    static func nullable(_ schema: JSONValue, title: String) -> JSONValue {
        .object([JSONMember(name: "anyOf", value: [schema, ["type": "null"]]), .title(title)])
    }

    static func anyObject(title: String?) -> JSONValue {
        let members = [
            JSONMember(name: "additionalProperties", value: true), JSONMember(name: "type", value: "object"),
        ]
        return .object(members + (title.map { [.title($0)] } ?? []))
    }

    static func array(of schema: JSONValue, title: String) -> JSONValue {
        .object([
            JSONMember(name: "items", value: schema), JSONMember(name: "type", value: "array"), .title(title),
        ])
    }

    static func titled(_ schema: JSONValue, _ title: String) -> JSONValue {
        guard case .object(let members) = schema else { return schema }
        return .object(members + [.title(title)])
    }

    static func reference(to name: String) -> JSONValue {
        ["$ref": .string(JSONString("#/components/schemas/\(name)"))]
    }

    static func properties(_ properties: [(String, JSONValue)]) -> JSONValue {
        .object(properties.map { JSONMember(name: JSONString($0.0), value: $0.1) })
    }

    static func strings(_ strings: [String]) -> JSONValue {
        .array(strings.map { .string(JSONString($0)) })
    }
}

extension JSONMember {
    static func title(_ title: String) -> JSONMember {
        JSONMember(name: "title", value: .string(JSONString(title)))
    }
}
