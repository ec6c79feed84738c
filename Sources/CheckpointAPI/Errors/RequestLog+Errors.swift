import Checkpoints
import Hummingbird
import Logging

extension RequestLog {
    /// The contract's answer to an error, which is logged unless it is the client's.
    ///
    /// Nothing else decides a status for an error.
    func response(to error: any Error, requestID: String) -> Response {
        switch error {
        case let error as ValidationError:
            return error.response
        case let error as APIError:
            return error.response
        case let denial as AccessDenial:
            return denial.response
        case let error as StoreError where error.kind == .held:
            return error.response
        case let error as StoreError:
            failed(error.debugDescription, level: error.isDefect ? .error : .warning, requestID: requestID)
            return error.response
        default:
            failed(String(reflecting: error), level: .error, requestID: requestID)
            return .internalServerError
        }
    }
}
