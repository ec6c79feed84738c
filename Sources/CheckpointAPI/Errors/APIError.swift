import HTTPTypes

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

    static let forbidden = APIError(status: .forbidden, detail: "Not allowed for this credential")
}

extension Principal {
    func require(_ permission: Permission) throws(APIError) {
        guard permissions.contains(permission) else { throw .forbidden }
    }
}
