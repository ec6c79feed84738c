import Authentication
import HTTPTypes
import Hummingbird

/// A refusal that is neither about the body's shape nor the store's state.
struct APIError: Error {
    let status: HTTPResponse.Status
    /// What the client is told.
    let detail: String

    static func bodyTooLarge(limit: Int) -> APIError {
        APIError(
            status: .contentTooLarge,
            detail: "The request body is larger than this server takes: \(limit) bytes (max-body-bytes)"
        )
    }

    static func tooManyBodies(limit: Int) -> APIError {
        APIError(
            status: .serviceUnavailable,
            detail: "The server holds as many bytes of request bodies as it may: \(limit) (max-in-flight-bytes); "
                + "send the request again"
        )
    }

    static let forbidden = APIError(status: .forbidden, detail: "Not allowed for this credential")

    var response: Response {
        status == .serviceUnavailable ? .retry(after: 1, detail) : .detail(status, detail)
    }
}

extension Principal {
    func require(_ scope: Scope) throws(APIError) {
        guard scopes.contains(scope) else { throw .forbidden }
    }
}
