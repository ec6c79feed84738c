import HTTPTypes

extension HTTPRequest {
    /// What makes the request one that is not answered, whatever it asks for; nil for nearly all.
    ///
    /// A body is taken as it is: nothing here unpacks one.
    var problem: APIError? {
        if let coding = headerFields[.contentEncoding], coding.lowercased() != "identity" {
            return APIError(
                status: .unsupportedMediaType,
                detail: "Send the body as it is: this server takes no content-encoding"
            )
        }
        if let coding = headerFields[.transferEncoding], coding.lowercased() != "chunked" {
            return APIError(
                status: .notImplemented,
                detail: "Send the body as it is: this server takes no transfer-encoding but chunked"
            )
        }
        return nil
    }
}
