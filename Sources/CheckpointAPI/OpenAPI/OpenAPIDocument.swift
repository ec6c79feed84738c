import Hummingbird
package import JSON

/// The OpenAPI 3.1 document, rendered from the table that makes the routes: it cannot say anything else.
package enum OpenAPIDocument {
    /// `isOpen` says that the server asks nobody for a credential.
    package static func render(_ endpoints: [Endpoint], isOpen: Bool) -> JSONValue {
        var paths: [(String, JSONValue)] = []
        var schemas: [String: JSONValue] = [:]
        for endpoint in endpoints {
            guard let operation = endpoint.operation else { continue }
            let method = endpoint.method.rawValue.lowercased()
            let described = (method, operation.json(path: endpoint.path))
            if case .object(let others)? = paths.last?.1, paths.last?.0 == endpoint.path {
                paths[paths.count - 1].1 = .object(
                    others + [JSONMember(name: JSONString(described.0), value: described.1)])
            } else {
                paths.append((endpoint.path, .properties([described])))
            }
            if let request = operation.request { add(request, to: &schemas) }
            if let conflict = operation.conflict { add(conflict, to: &schemas) }
            if case .json(let answer) = operation.answer { add(answer.named, to: &schemas) }
            add(.httpValidationError, to: &schemas)
        }
        for schema in SharedResponse.allCases.flatMap(\.schemas) { add(schema, to: &schemas) }
        return [
            "openapi": "3.1.0",
            "info": [
                "title": "Milepost",
                "description": "The Agentex Checkpoints API: where LangGraph agents keep their state.",
                "version": .string(JSONString(Version.current)),
            ],
            "paths": .properties(paths),
            "components": [
                "schemas": .properties(schemas.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }),
                "responses": .properties(SharedResponse.allCases.map { ($0.name, $0.json) }),
                "securitySchemes": .properties(securitySchemes),
            ],
            "security": security(isOpen: isOpen),
        ]
    }

    private static func add(_ description: SchemaDescription, to schemas: inout [String: JSONValue]) {
        schemas[description.name] = description.schema
        for part in description.parts { add(part, to: &schemas) }
    }

    private static func add(_ response: ResponseSchema, to schemas: inout [String: JSONValue]) {
        schemas[response.rawValue] = response.schema
        for part in response.parts { add(part, to: &schemas) }
    }
}

extension Endpoint {
    static func openAPI(_ endpoints: [Endpoint], isOpen: Bool) -> Endpoint {
        let document = OpenAPIDocument.render(endpoints, isOpen: isOpen)
        return Endpoint(.get, "/openapi.json") { _, _ in .json(document) }
    }
}

extension OpenAPIOperation {
    fileprivate func json(path: String) -> JSONValue {
        let refusal = content(.reference(to: ResponseSchema.httpValidationError.rawValue), "Validation Error")
        let status = if case .noContent = answer { "204" } else { "200" }
        var members: [(String, JSONValue)] = [
            ("tags", [path.hasPrefix("/checkpoints") ? "Checkpoints" : "Threads"]),
            ("summary", .string(JSONString(summary))),
            ("operationId", .string(JSONString(id))),
        ]
        if !parameters.isEmpty { members.append(("parameters", .array(parameters.map(\.json)))) }
        if let request {
            let schema = JSONValue.reference(to: request.name)
            members.append(("requestBody", ["content": ["application/json": ["schema": schema]], "required": true]))
        }
        var responses = [(status, success(path: path)), ("422", refusal)]
        if let conflict { responses.append(("409", content(.reference(to: conflict.rawValue), "Conflict"))) }
        responses += sharedResponses.map { (String($0.rawValue), $0.reference) }
        members.append(("responses", .properties(responses.sorted { $0.0 < $1.0 })))
        return .properties(members)
    }

    private func success(path: String) -> JSONValue {
        switch answer {
        case .noContent: return ["description": "Successful Response"]
        case .json(let schema):
            let success = content(schema.json(operation: self, path: path), "Successful Response")
            guard hasPages, case .object(let members) = success else { return success }
            let cursor: JSONValue = [
                "description": "There may be more: send it as `after`", "schema": ["type": "string"],
            ]
            return .object(members + [JSONMember(name: "headers", value: ["x-next-cursor": cursor])])
        case .events:
            return [
                "description": "Events: thread, checkpoint, writes, pruned, deleted, missed",
                "content": ["text/event-stream": ["schema": ["type": "string"]]],
            ]
        }
    }

    private func content(_ schema: JSONValue, _ description: String) -> JSONValue {
        [
            "description": .string(JSONString(description)),
            "content": ["application/json": ["schema": schema]],
        ]
    }

    /// FastAPI titles an answer that is not a named schema after the call's function and path.
    fileprivate func responseTitle(path: String) -> String {
        let words = path.split { $0 == "/" || $0 == "-" }.map(\.capitalized)
        return "Response \(summary) \(words.joined(separator: " ")) Post"
    }
}

extension AnswerSchema {
    fileprivate var named: ResponseSchema {
        switch self {
        case .reference(let schema): schema
        case .array(let element), .nullable(let element): element.named
        }
    }

    fileprivate func json(operation: OpenAPIOperation, path: String) -> JSONValue {
        let reference = JSONValue.reference(to: named.rawValue)
        let title = operation.responseTitle(path: path)
        return switch self {
        case .reference: reference
        case .array: .array(of: reference, title: title)
        case .nullable: .nullable(reference, title: title)
        }
    }
}

extension Substring {
    fileprivate var capitalized: String { prefix(1).uppercased() + dropFirst() }
}
