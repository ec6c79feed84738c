import JSON

/// What the OpenAPI document says of one call.
struct OpenAPIOperation: Sendable {
    /// What a call answers when it succeeds.
    enum Answer: Sendable {
        /// 204 without a body.
        case noContent
        /// 200 with a body of this schema.
        case json(AnswerSchema)
        /// 200 with server-sent events, for as long as both sides like.
        case events
    }

    /// The name generated clients give it; the same as in the original document.
    let id: String
    let summary: String
    /// Nil for a call without a body.
    var request: SchemaDescription?
    var parameters: [Parameter] = []
    let answer: Answer
    /// What it answers with 409; nil for a call that never does.
    var conflict: ResponseSchema?
    /// Whether it is about threads that the request names: then it can answer 404.
    ///
    /// That is what an Agentex provider's denial of a read is, under any of them.
    var namesThread = true
    /// Whether an answer may have the header `x-next-cursor`.
    var hasPages = false

    /// A part of the path or of the query.
    struct Parameter: Sendable {
        let json: JSONValue

        static func path(_ name: String, _ schema: JSONValue) -> Parameter {
            Parameter(json: ["name": .string(JSONString(name)), "in": "path", "required": true, "schema": schema])
        }

        static func header(_ name: String, _ schema: JSONValue) -> Parameter {
            Parameter(
                json: ["name": .string(JSONString(name)), "in": "header", "required": false, "schema": schema])
        }

        static func query(_ name: String, _ schema: JSONValue) -> Parameter {
            Parameter(json: ["name": .string(JSONString(name)), "in": "query", "required": false, "schema": schema])
        }
    }
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
