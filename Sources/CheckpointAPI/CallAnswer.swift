import HTTPTypes
import Hummingbird
import JSON

/// What a call answers, when it is no refusal of the body or the store.
struct CallAnswer: Sendable {
    let status: HTTPResponse.Status
    /// Nil for an answer without a body.
    let json: JSONWriter?
    /// Where the next page begins, for the header `x-next-cursor`; nil for no header.
    var next: Cursor?

    static let noContent = CallAnswer(status: .noContent, json: nil)

    static func json(_ json: JSONWriter, next: Cursor? = nil) -> CallAnswer {
        CallAnswer(status: .ok, json: json, next: next)
    }

    static func json(_ value: JSONValue, next: Cursor? = nil) -> CallAnswer {
        var writer = JSONWriter()
        writer.value(value)
        return .json(writer, next: next)
    }

    /// 409: somebody else was there first.
    ///
    /// `members` is what the answer has beside `detail`.
    static func conflict(_ detail: String, _ members: [JSONMember] = []) -> CallAnswer {
        var writer = JSONWriter()
        writer.value(.object([JSONMember(name: "detail", value: .string(JSONString(detail)))] + members))
        return CallAnswer(status: .conflict, json: writer)
    }

    var headers: HTTPFields {
        var headers = HTTPFields()
        if json != nil { headers[.contentType] = "application/json" }
        if let next { headers[.nextCursor] = next.text }
        return headers
    }
}

extension HTTPField.Name {
    /// Where the next page of a list begins.
    static let nextCursor = HTTPField.Name("x-next-cursor").unsafelyUnwrapped
}
