import JSON

extension OpenAPIDocument {
    /// The ways to say who calls: the first of them that a request has decides.
    static let securitySchemes: [(String, JSONValue)] = [
        ("bearer", ["type": "http", "scheme": "bearer", "description": "An API key, or a token (JWT)"]),
        ("apiKey", ["type": "apiKey", "in": "header", "name": "x-api-key", "description": "An API key"]),
        (
            "agentApiKey",
            [
                "type": "apiKey", "in": "header", "name": "x-agent-api-key",
                "description": "An API key, as agentex-sdk sends it",
            ]
        ),
        ("clientCertificate", ["type": "mutualTLS", "description": "A certificate that the server knows the name of"]),
    ]

    /// One of them, or none where the server is open to everybody.
    static func security(isOpen: Bool) -> JSONValue {
        let ways = securitySchemes.map { JSONValue.object([JSONMember(name: JSONString($0.0), value: [])]) }
        return .array((isOpen ? [[:]] : []) + ways)
    }
}
