import JSON

/// What the OpenAPI document says of one call.
struct OpenAPIOperation: Sendable {
    /// What a call answers when it succeeds.
    enum Answer: Sendable {
        /// 204 without a body.
        case noContent
        /// 200 with a body of this schema.
        case json(AnswerSchema)
    }

    /// The name generated clients give it; the same as in the original document.
    let id: String
    let summary: String
    let request: SchemaDescription
    let answer: Answer
}

/// The schema of an answer's body.
indirect enum AnswerSchema: Sendable {
    case reference(to: ResponseSchema)
    case array(of: AnswerSchema)
    case nullable(AnswerSchema)
}

/// A named schema, with those it refers to.
struct SchemaDescription: Sendable {
    let name: String
    let schema: JSONValue
    let parts: [SchemaDescription]
}

extension ObjectSchema {
    var description: SchemaDescription {
        var members = [
            JSONMember(name: "properties", value: .properties(fields.map { ($0.name, $0.description) })),
            JSONMember(name: "type", value: "object"),
        ]
        let required = fields.filter(\.isRequired).map(\.name)
        if !required.isEmpty { members.append(JSONMember(name: "required", value: .strings(required))) }
        members.append(JSONMember(name: "title", value: .string(JSONString(name))))
        return SchemaDescription(name: name, schema: .object(members), parts: fields.compactMap(\.part))
    }
}
