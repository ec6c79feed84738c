import JSON

/// What can be wrong with one value, apart from where it stands: pydantic's `type`, `msg` and `ctx`.
///
/// https://docs.pydantic.dev/latest/errors/validation_errors/
struct Problem: Error, Sendable {
    let type: String
    let message: String
    var context: [JSONMember] = []

    static let missing = Problem(type: "missing", message: "Field required")
    static let string = Problem(type: "string_type", message: "Input should be a valid string")
    static let integer = Problem(type: "int_type", message: "Input should be a valid integer")
    static let integerText = Problem(
        type: "int_parsing",
        message: "Input should be a valid integer, unable to parse string as an integer"
    )
    static let integerSize = Problem(
        type: "int_parsing_size",
        message: "Unable to parse input string as an integer, exceeded maximum size"
    )
    static let fraction = Problem(
        type: "int_from_float",
        message: "Input should be a valid integer, got a number with a fractional part"
    )
    static let finite = Problem(type: "finite_number", message: "Input should be a finite number")
    static let boolean = Problem(type: "bool_type", message: "Input should be a valid boolean")
    static let booleanText = Problem(
        type: "bool_parsing",
        message: "Input should be a valid boolean, unable to interpret input"
    )
    static let list = Problem(type: "list_type", message: "Input should be a valid list")
    static let dictionary = Problem(type: "dict_type", message: "Input should be a valid dictionary")
    static let model = Problem(
        type: "model_attributes_type",
        message: "Input should be a valid dictionary or object to extract fields from"
    )
    static let unicode = Problem(
        type: "string_unicode",
        message: "Input should be a valid string, unable to parse raw data as a unicode string"
    )
    static let base64 = value("Blobs are base64 as in RFC 4648 section 4, with padding")
    static let nul = value("Identifiers cannot contain NUL characters")

    static let pickle = value("This server takes no pickles (refuse-pickle); send another serialization")

    static let noCheckpoint = value("The thread has no such checkpoint")

    static let cursor = value("A cursor comes from the header x-next-cursor of the page before")

    /// None of the words that are taken.
    static func literal(_ words: [String]) -> Problem {
        let quoted = words.map { "'\($0)'" }
        let list = (quoted.count > 1 ? quoted.dropLast().joined(separator: ", ") + " or " : "") + (quoted.last ?? "")
        return Problem(
            type: "literal_error",
            message: "Input should be \(list)",
            context: [JSONMember(name: "expected", value: .string(JSONString(list)))]
        )
    }

    static func atLeast(_ bound: Int) -> Problem {
        Problem(
            type: "greater_than_equal",
            message: "Input should be greater than or equal to \(bound)",
            context: [JSONMember(name: "ge", value: .number(JSONNumber(bound)))]
        )
    }

    static func atMost(_ bound: Int) -> Problem {
        Problem(
            type: "less_than_equal",
            message: "Input should be less than or equal to \(bound)",
            context: [JSONMember(name: "le", value: .number(JSONNumber(bound)))]
        )
    }

    static func tooLong(limit: Int, count: Int) -> Problem {
        Problem(
            type: "too_long",
            message: "List should have at most \(limit) items after validation, not \(count)",
            context: [
                JSONMember(name: "field_type", value: "List"),
                JSONMember(name: "max_length", value: .number(JSONNumber(limit))),
                JSONMember(name: "actual_length", value: .number(JSONNumber(count))),
            ]
        )
    }

    /// The identifiers of a key are measured together: `limit` bytes for all of them.
    static func keyTooLong(limit: Int) -> Problem {
        Problem(
            type: "string_too_long",
            message: "The identifiers of a key should have at most \(limit) bytes together",
            context: [JSONMember(name: "max_length", value: .number(JSONNumber(limit)))]
        )
    }

    static func json(_ reason: String) -> Problem {
        Problem(
            type: "json_invalid",
            message: "JSON decode error",
            context: [JSONMember(name: "error", value: .string(JSONString(reason)))]
        )
    }

    private static func value(_ reason: String) -> Problem {
        Problem(
            type: "value_error",
            message: "Value error, " + reason,
            context: [JSONMember(name: "error", value: .string(JSONString(reason)))]
        )
    }
}
