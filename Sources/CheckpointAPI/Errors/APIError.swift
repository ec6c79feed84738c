import Authentication
import HTTPTypes
import Hummingbird

/// A refusal that is neither about the body's shape nor the store's state.
struct APIError: Error {
    let status: HTTPResponse.Status
    /// What the client is told.
    let detail: String
    /// Seconds after which it may be worth another try, for the header.
    var retryAfter: Int?

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
                + "send the request again",
            retryAfter: 1
        )
    }

    static func tooManyAnswers(limit: Int) -> APIError {
        APIError(
            status: .serviceUnavailable,
            detail: "The server holds as many bytes of answers as it may: \(limit) (max-in-flight-bytes); "
                + "send the request again",
            retryAfter: 1
        )
    }

    /// Whether a credential is missing, unknown or of no use any more is for the audit log alone.
    static let unauthenticated = APIError(status: .unauthorized, detail: "Unauthorized")

    static let noCredential = APIError(
        status: .unauthorized,
        detail: "Unauthorized: send a credential, such as the header Authorization: Bearer KEY"
    )

    static func tooManyFailures(_ wait: Duration) -> APIError {
        APIError(
            status: .tooManyRequests,
            detail: "Too many requests with wrong credentials, or none, came from this address; correct them, and wait",
            retryAfter: wait.retryAfterSeconds
        )
    }

    static func tooManyRequests(_ wait: Duration) -> APIError {
        APIError(
            status: .tooManyRequests,
            detail: "This credential sends more requests than it may (rate-limit); send the request again later",
            retryAfter: wait.retryAfterSeconds
        )
    }

    static let unaudited = APIError(
        status: .serviceUnavailable,
        detail: "The audit log cannot be written, and so nothing was done; send the request again",
        retryAfter: 5
    )

    var response: Response {
        var response = Response.detail(status, detail)
        if let retryAfter { response.headers[.retryAfter] = String(retryAfter) }
        if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
        return response
    }
}
