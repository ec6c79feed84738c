import Authentication
import Checkpoints
import HTTPTypes
import Hummingbird
import JSON

/// An authenticated caller wants what it may not.
struct AccessDenial: Error {
    let status: HTTPResponse.Status
    /// What the client is told.
    let answer: JSONValue
    /// For the audit log.
    let reason: String
    /// What it wanted to touch, if it is about one.
    let thread: Identifier?

    static func scope(_ scope: Scope) -> AccessDenial {
        AccessDenial(
            "This credential lacks the scope '\(scope.rawValue)' that the call needs; use one that has it",
            reason: "without the scope \(scope.rawValue)"
        )
    }

    static func prefix(_ prefix: Identifier, _ thread: Identifier) -> AccessDenial {
        AccessDenial(
            "This credential is for threads whose ids begin with '\(prefix)' alone",
            reason: "outside the prefix of its threads",
            thread: thread
        )
    }

    /// A call over all threads by a caller who has only some.
    static func span(_ sentence: String) -> AccessDenial {
        AccessDenial(sentence + "; name the threads instead", reason: "a call over all threads of the tenant")
    }

    private init(_ detail: String, reason: String, thread: Identifier? = nil) {
        status = .forbidden
        answer = ["detail": .string(JSONString(detail))]
        self.reason = reason
        self.thread = thread
    }

    /// What an authorizer said instead of yes, in the provider contract's envelope.
    init(status code: Int, message: String, thread: Identifier) {
        status = HTTPResponse.Status(code: code)
        answer = ["message": .string(JSONString(message)), "code": .number(JSONNumber(code)), "data": nil]
        reason = "the provider's answer means \(code)"
        self.thread = thread
    }

    var response: Response { .json(answer, status: status) }
}
