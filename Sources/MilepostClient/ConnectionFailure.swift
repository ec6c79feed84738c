import Glibc
import NIOCore
import NIOPosix

/// Why there is no connection, in the system's words.
enum ConnectionFailure {
    static func words(for error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if let first = error.connectionErrors.first { return words(for: first.error) }
            return "the name \(error.host) cannot be looked up"
        case let error as IOError:
            // IOError's own text begins with the call and ends with the number.
            return switch error.errnoCode {
            case ECONNREFUSED: "connection refused"
            case ECONNRESET: "the connection was reset"
            case ETIMEDOUT: "no answer in time"
            case EHOSTUNREACH, ENETUNREACH: "no way to that host"
            default: String(describing: error)
            }
        default: return String(describing: error)
        }
    }
}
