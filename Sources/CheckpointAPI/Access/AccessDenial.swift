import Authentication
import Checkpoints
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// A caller wants what it may not.
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

    static func browser(_ refusal: BrowserRule.Refusal) -> AccessDenial {
        switch refusal {
        case .page:
            AccessDenial(
                "Pages of other sites may not use this server; open its own page instead, and let a proxy in front pass "
                    + "the header Host on as it came",
                reason: "a page of another site"
            )
        case .name:
            AccessDenial(
                "Without authentication a browser may use this server by its address or as localhost, not by another "
                    + "name; open http://127.0.0.1:PORT, or give the server --api-keys-file",
                reason: "a browser, under a name that may be anybody's"
            )
        }
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
