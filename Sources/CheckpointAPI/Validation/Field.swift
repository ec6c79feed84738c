import Checkpoints
import JSON

/// One field of an `ObjectSchema`: its name, what it takes, and where its value goes.
struct Field<Body: Sendable>: Sendable {
    let name: String
    let isRequired: Bool
    let shape: JSONShape
    let carriesBlobs: Bool
    /// The field's JSON Schema, as the OpenAPI document prints it.
    let description: JSONValue
    /// The schema of a list's elements.
    let part: SchemaDescription?
    /// A boolean field that makes this one optional when it is true.
    var waiver: String?
    let read: @Sendable (JSONNode, JSONDocument, inout Body, inout Problems) -> Void

    /// A field of one value.
    ///
    /// A problem is reported at the field, with the value unless it may be a blob.
    init<Value>(
        _ name: String,
        isRequired: Bool,
        shape: JSONShape = .value,
        carriesBlobs: Bool = false,
        description: JSONValue,
        decode: @escaping @Sendable (JSONNode, JSONDocument) throws(Problem) -> Value,
        store: @escaping @Sendable (inout Body, Value) -> Void
    ) {
        self.name = name
        self.isRequired = isRequired
        self.shape = shape
        self.carriesBlobs = carriesBlobs
        self.description = description
        self.part = nil
        self.read = { node, document, body, problems in
            do throws(Problem) {
                store(&body, try decode(node, document))
            } catch {
                problems.add(error, at: name, input: carriesBlobs ? nil : Problems.input(node, in: document))
            }
        }
    }
}

// MARK: - Kinds of fields

extension Field {
    typealias Store<Value> = @Sendable (inout Body, Value) -> Void

    /// Required unless it has a default.
    static func identifier(
        _ name: String,
        _ title: String,
        default value: String? = nil,
        store: @escaping Store<Identifier>
    ) -> Field {
        Field(
            name,
            isRequired: value == nil,
            description: .schema("string", title: title, default: value.map { .string(JSONString($0)) }),
            decode: { node, document throws(Problem) in Identifier(try document.requireString(node)) },
            store: store
        )
    }

    /// Required unless a boolean field of the same object is true: then it may be missing, or null.
    ///
    /// The document calls it required, as the original's does; the other field's title says the rest.
    static func identifier(
        _ name: String,
        _ title: String,
        unless waiver: String,
        store: @escaping Store<Identifier>
    ) -> Field {
        var field = identifier(name, title, store: store)
        field.waiver = waiver
        return field
    }

    /// Missing and null are the same.
    static func nullableIdentifier(_ name: String, _ title: String, store: @escaping Store<Identifier?>) -> Field {
        nullableString(name, title) { store(&$0, $1.map { Identifier($0) }) }
    }

    static func string(_ name: String, _ title: String, store: @escaping Store<String>) -> Field {
        Field(
            name,
            isRequired: true,
            description: .schema("string", title: title),
            decode: { node, document throws(Problem) in try document.requireString(node) },
            store: store
        )
    }

    static func nullableString(_ name: String, _ title: String, store: @escaping Store<String?>) -> Field {
        Field(
            name,
            isRequired: false,
            description: .nullable(["type": "string"], title: title),
            decode: { node, document throws(Problem) in
                node.kind == .null ? nil : try document.requireString(node)
            },
            store: store
        )
    }

    /// Required unless it has a default.
    ///
    /// `isDocumented` prints the range.
    static func integer(
        _ name: String,
        _ title: String,
        range: ClosedRange<Int>,
        isDocumented: Bool = false,
        default value: Int? = nil,
        store: @escaping Store<Int>
    ) -> Field {
        Field(
            name,
            isRequired: value == nil,
            shape: .number,
            description: .schema(
                "integer",
                title: title,
                range: isDocumented ? range : nil,
                default: value.map { .number(JSONNumber($0)) }
            ),
            decode: { node, document throws(Problem) in
                let value = try Coercion.integer(node, in: document)
                try Coercion.require(value, in: range)
                return value
            },
            store: store
        )
    }

    /// Missing and null are the same.
    static func nullableInteger(
        _ name: String,
        _ title: String,
        range: ClosedRange<Int>,
        store: @escaping Store<Int?>
    ) -> Field {
        let bounds: JSONValue = [
            "maximum": .number(JSONNumber(range.upperBound)), "minimum": .number(JSONNumber(range.lowerBound)),
            "type": "integer",
        ]
        return Field(
            name,
            isRequired: false,
            shape: .number,
            description: .nullable(bounds, title: title),
            decode: { node, document throws(Problem) -> Int? in
                if node.kind == .null { return nil }
                let value = try Coercion.integer(node, in: document)
                try Coercion.require(value, in: range)
                return value
            },
            store: store
        )
    }

    static func boolean(
        _ name: String,
        _ title: String,
        default value: Bool,
        store: @escaping Store<Bool>
    ) -> Field {
        Field(
            name,
            isRequired: false,
            description: .schema("boolean", title: title, default: .bool(value)),
            decode: { node, document throws(Problem) in try Coercion.boolean(node, in: document) },
            store: store
        )
    }

    /// Missing and null are the same.
    static func nullableBoolean(_ name: String, _ title: String, store: @escaping Store<Bool?>) -> Field {
        Field(
            name,
            isRequired: false,
            description: .nullable(["type": "boolean"], title: title),
            decode: { node, document throws(Problem) in
                node.kind == .null ? nil : try Coercion.boolean(node, in: document)
            },
            store: store
        )
    }

    static func base64(_ name: String, _ title: String, store: @escaping Store<[UInt8]>) -> Field {
        Field(
            name,
            isRequired: true,
            carriesBlobs: true,
            description: .schema("string", title: title),
            decode: { node, document throws(Problem) in try document.requireBase64(node) },
            store: store
        )
    }

    static func nullableBase64(_ name: String, _ title: String, store: @escaping Store<[UInt8]?>) -> Field {
        Field(
            name,
            isRequired: false,
            carriesBlobs: true,
            description: .nullable(["type": "string"], title: title),
            decode: { node, document throws(Problem) in
                node.kind == .null ? nil : try document.requireBase64(node)
            },
            store: store
        )
    }

    /// Any JSON object, kept as the exact text that came.
    static func object(
        _ name: String,
        _ title: String,
        isRequired: Bool = true,
        store: @escaping Store<JSONText>
    ) -> Field {
        Field(
            name,
            isRequired: isRequired,
            description: .anyObject(title: title),
            decode: { node, document throws(Problem) in
                try document.requireObject(node)
                return document.text(of: node)
            },
            store: store
        )
    }

    /// Any JSON object, parsed; missing and null are the same.
    static func nullableObject(_ name: String, _ title: String, store: @escaping Store<JSONValue?>) -> Field {
        Field(
            name,
            isRequired: false,
            description: .nullable(.anyObject(title: nil), title: title),
            decode: { node, document throws(Problem) in
                if node.kind == .null { return nil }
                try document.requireObject(node)
                do throws(JSONError) {
                    return try document.text(of: node).value
                } catch {
                    // It was valid when the body was parsed.
                    throw .json(error.reason)
                }
            },
            store: store
        )
    }

    init(
        name: String,
        isRequired: Bool,
        shape: JSONShape,
        carriesBlobs: Bool,
        description: JSONValue,
        part: SchemaDescription?,
        read: @escaping @Sendable (JSONNode, JSONDocument, inout Body, inout Problems) -> Void
    ) {
        self.name = name
        self.isRequired = isRequired
        self.shape = shape
        self.carriesBlobs = carriesBlobs
        self.description = description
        self.part = part
        self.read = read
    }
}

// MARK: - Values

extension JSONDocument {
    /// Strings are strict: nothing else is taken for one.
    ///
    /// They are stored, so they can hold no NUL and no lone surrogate.
    func requireString(_ node: JSONNode) throws(Problem) -> String {
        guard node.kind == .string else { throw .string }
        guard let text = utf8String(of: node) else { throw .unicode }
        guard !node.hasEscapes || !text.utf8.contains(0) else { throw .nul }
        return text
    }

    fileprivate func requireBase64(_ node: JSONNode) throws(Problem) -> [UInt8] {
        guard node.kind == .string else { throw .string }
        guard let bytes = base64(of: node) else { throw .base64 }
        return bytes
    }

    fileprivate func requireObject(_ node: JSONNode) throws(Problem) {
        guard node.kind == .object else { throw .dictionary }
        guard !node.hasUnrepresentableNumber else { throw .finite }
    }
}
