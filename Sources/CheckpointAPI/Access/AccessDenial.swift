import Authentication
import Checkpoints
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// An authenticated caller wants what it may not.
struct AccessDenial: Error {
    let status: HTTPResponse.Status
    /// What the client is told.
    let answer: JSONText
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
            prefixed(prefix),
            reason: "outside the prefix of its threads",
            thread: thread
        )
    }

    static func prefixed(_ prefix: Identifier) -> String {
        "This credential is for threads whose ids begin with '\(prefix)' alone"
    }

    /// A call over all threads by a caller who has only some.
    static func span(_ sentence: String) -> AccessDenial {
        AccessDenial(sentence + "; name the threads instead", reason: "a call over all threads of the tenant")
    }

    private init(_ detail: String, reason: String, thread: Identifier? = nil) {
        status = .forbidden
        answer = JSONValue.object([JSONMember(name: "detail", value: .string(JSONString(detail)))]).text
        self.reason = reason
        self.thread = thread
    }

    /// What the provider's answer means.
    ///
    /// The contract passes any status on. One that a client would take for success, or for an answer without a body, is
    /// 502 here: a write that was refused must not look like one that was made.
    init(_ refusal: ThreadRefusal, thread: Identifier) {
        let refusal = refusal.status < 400 ? ThreadRefusal(status: 502, message: refusal.message) : refusal
        status = HTTPResponse.Status(code: refusal.status)
        answer = refusal.body
        reason = "the provider's answer means \(refusal.status)"
        self.thread = thread
    }

    var response: Response {
        Response(
            status: status,
            headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.bytes))
        )
    }
}
