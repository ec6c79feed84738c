import Hummingbird
import JSON

/// One thing that is wrong with a body, in pydantic 2's words and FastAPI's form.
struct ValidationProblem: Sendable {
    /// A step of `loc` below `part`.
    enum Step: Sendable {
        case field(String)
        case index(Int)
    }

    let type: String
    let message: String
    var part = "body"
    let location: [Step]
    /// The value that was refused, when it is small and can hold no blob.
    var input: JSONValue?
    /// Figures the message was made from, by their pydantic names.
    var context: [JSONMember] = []
}

/// The answer to a body that cannot be taken: 422 with every problem at once.
struct ValidationError: Error {
    let problems: [ValidationProblem]

    var response: Response {
        .json(["detail": .array(problems.map(\.json))], status: .unprocessableContent)
    }
}

extension ValidationProblem {
    fileprivate var json: JSONValue {
        let steps: [JSONValue] = location.map { step in
            switch step {
            case .field(let name): .string(JSONString(name))
            case .index(let index): .number(JSONNumber(index))
            }
        }
        var members = [
            JSONMember(name: "type", value: .string(JSONString(type))),
            JSONMember(name: "loc", value: .array([.string(JSONString(part))] + steps)),
            JSONMember(name: "msg", value: .string(JSONString(message))),
        ]
        if let input { members.append(JSONMember(name: "input", value: input)) }
        if !context.isEmpty { members.append(JSONMember(name: "ctx", value: .object(context))) }
        return .object(members)
    }
}
