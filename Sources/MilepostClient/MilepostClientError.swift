import JSON

/// Why a call to a server brought no answer, or a refusal.
public struct MilepostClientError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Kind: Sendable, Equatable {
        /// The URL cannot be called: it is not one, or has no http.
        case badURL
        /// Nobody answers there: no connection could be made, or it broke.
        case unreachable
        /// No answer within the time given.
        case timedOut
        /// 401: the server wants an API key, or does not know this one.
        case unauthorized
        /// 403: this key may not.
        case forbidden
        /// 404: there is no such thing, or no such call on this server.
        case notFound
        /// 409: another writer was there first.
        case conflict
        /// 422, or another 4xx: the request is not one that the server takes.
        case refused
        /// 413: the request, or the answer, is larger than allowed.
        case tooLarge
        /// 429 or 503: not now; the same call may succeed later.
        case overloaded
        /// Any other 5xx.
        case failed
        /// An answer that no Milepost gives.
        case notUnderstood
    }

    public let kind: Kind
    /// The status of the answer, where there was one.
    public let status: Int?
    /// The server's own words, or what went wrong.
    public let message: String

    public init(_ kind: Kind, status: Int? = nil, message: String) {
        self.kind = kind
        self.status = status
        self.message = message
    }

    public var description: String {
        status.map { "\(message) (status \($0))" } ?? message
    }
}

extension MilepostClientError {
    /// What an answer with that status says.
    init(status: Int, body: [UInt8]) {
        let kind: Kind =
            switch status {
            case 401: .unauthorized
            case 403: .forbidden
            case 404: .notFound
            case 409: .conflict
            case 413: .tooLarge
            case 429, 503: .overloaded
            case 400...499: .refused
            case 500...599: .failed
            default: .notUnderstood
            }
        self.init(kind, status: status, message: Self.message(in: body) ?? "the server gave no reason")
    }

    /// `{"detail": "…"}`, `{"detail": [{"loc", "msg"}…]}` or `{"message": "…"}`.
    private static func message(in body: [UInt8]) -> String? {
        // What is not JSON is not the server's own, and not shown.
        guard let answer = try? JSONValue(parsing: body) else { return nil }
        if case .array(let problems)? = answer["detail"] {
            return problems.map(sentence).joined(separator: "; ")
        }
        return answer["detail"]?.string ?? answer["message"]?.string
    }

    private static func sentence(_ problem: JSONValue) -> String {
        var place: [String] = []
        if case .array(let steps)? = problem["loc"] {
            place = steps.dropFirst().map { $0.string ?? String(decoding: $0.text.bytes, as: UTF8.self) }
        }
        let message = problem["msg"]?.string ?? "not valid"
        return place.isEmpty ? message : "\(place.joined(separator: ".")): \(message)"
    }
}
