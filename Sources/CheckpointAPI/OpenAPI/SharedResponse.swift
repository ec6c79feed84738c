import JSON

/// What more than one call can answer, in the same words: it stands once in the document.
enum SharedResponse: Int, CaseIterable, Sendable {
    case unauthorized = 401
    case forbidden = 403
    case notFound = 404
    case bodyTooLarge = 413
    case encoded = 415
    case tooManyRequests = 429
    case failed = 500
    case transferEncoded = 501
    case badGateway = 502
    case unavailable = 503

    /// Its name among the components.
    var name: String {
        switch self {
        case .unauthorized: "Unauthorized"
        case .forbidden: "Forbidden"
        case .notFound: "NotFound"
        case .bodyTooLarge: "BodyTooLarge"
        case .encoded: "ContentEncoding"
        case .tooManyRequests: "TooManyRequests"
        case .failed: "InternalServerError"
        case .transferEncoded: "TransferEncoding"
        case .badGateway: "BadGateway"
        case .unavailable: "Unavailable"
        }
    }

    var reference: JSONValue { ["$ref": .string(JSONString("#/components/responses/\(name)"))] }

    var json: JSONValue {
        var members: [(String, JSONValue)] = [("description", .string(JSONString(description)))]
        if let header {
            let described: JSONValue = ["required": .bool(header.isAlways), "schema": ["type": "string"]]
            members.append(("headers", .properties([(header.name, described)])))
        }
        let bodies = schemas.map { JSONValue.reference(to: $0.rawValue) }
        let schema = bodies.count == 1 ? bodies[0] : ["anyOf": .array(bodies)]
        members.append(("content", ["application/json": ["schema": schema]]))
        return .properties(members)
    }

    /// An Agentex provider's answer about a thread has the other form, under any of these statuses.
    var schemas: [ResponseSchema] {
        switch self {
        case .unauthorized, .forbidden, .notFound, .unavailable: [.detail, .failure]
        case .bodyTooLarge, .encoded, .tooManyRequests, .transferEncoded: [.detail]
        case .failed, .badGateway: [.failure]
        }
    }

    private var description: String {
        switch self {
        case .unauthorized: "The server wants a credential, and this one is missing, wrong or over"
        case .forbidden: "The credential is not for this call or thread, or the page that sent it is of another site"
        case .notFound: "There is no such thread, or none for this credential"
        case .bodyTooLarge: "The body, or what is stored with it, is larger than the server takes"
        case .encoded: "The body has a content-encoding"
        case .tooManyRequests: "Too many requests, or too many with wrong credentials; send it again later"
        case .failed: "The server's log has the cause"
        case .transferEncoded: "The body has a transfer-encoding other than chunked"
        case .badGateway: "The Agentex provider's answer cannot be passed on"
        case .unavailable: "Nothing was answered; send it again"
        }
    }

    /// The provider's own refusals have none.
    private var header: (name: String, isAlways: Bool)? {
        switch self {
        case .unauthorized: ("www-authenticate", false)
        case .tooManyRequests: ("retry-after", true)
        case .unavailable: ("retry-after", false)
        default: nil
        }
    }
}

extension OpenAPIOperation {
    /// In the order of their statuses.
    var sharedResponses: [SharedResponse] {
        SharedResponse.allCases.filter { response in
            switch response {
            case .notFound: namesThread
            case .bodyTooLarge: request != nil
            default: true
            }
        }
    }
}
