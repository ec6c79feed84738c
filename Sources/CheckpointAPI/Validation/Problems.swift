import Checkpoints
import JSON

/// Collects what is wrong with a body, in the order found: fields as declared, list elements by index.
struct Problems {
    /// A body with more is refused all the same, but the answer names only so many: it must not be a multiple of
    /// what was sent.
    static let limit = 1_000
    /// Bytes of JSON text up to which a refused value is repeated in the answer.
    private static let inputLimit = 256

    private(set) var found: [ValidationProblem] = []
    /// The part of the request that is read: `loc` begins with it.
    private let part: String

    init(in part: String = "body") {
        self.part = part
    }

    /// The element of a list that is being read; nil for the body itself.
    ///
    /// Lists are one level deep.
    var element: (list: String, index: Int)?

    var isEmpty: Bool { found.isEmpty }

    mutating func add(_ problem: Problem, at field: String? = nil, input: JSONValue? = nil) {
        guard found.count < Self.limit else { return }
        var location: [ValidationProblem.Step] = []
        if let element { location = [.field(element.list), .index(element.index)] }
        if let field { location.append(.field(field)) }
        found.append(
            ValidationProblem(
                type: problem.type,
                message: problem.message,
                part: part,
                location: location,
                input: input,
                context: problem.context
            )
        )
    }

    /// The value that was refused, if it may be repeated: small, and parsed as it came.
    static func input(_ node: JSONNode, in document: JSONDocument) -> JSONValue? {
        guard node.kind != .missing, node.kind != .nonFinite, node.end - node.start <= inputLimit else { return nil }
        return try? document.text(of: node).value  // a value that cannot be repeated is left out
    }

    // MARK: - Keys

    typealias Part = (field: String, value: Identifier)

    /// Refuses identifiers that together are longer than a key may be, at the longest of them.
    mutating func requireKeyLength(_ parts: Part...) {
        guard let problem = Self.keyProblem(parts) else { return }
        add(.keyTooLong(limit: IdentifierLimit.keyBytes), at: problem)
    }

    /// The same for the keys of list elements, which begin with `prefix`; a prefix that is too long by itself is
    /// reported once, by the caller.
    mutating func requireKeyLength<Element>(
        of elements: [Element],
        in list: String,
        prefix: Int,
        _ parts: (Element) -> [Part]
    ) {
        for (index, item) in elements.enumerated() {
            guard let problem = Self.keyProblem(parts(item), prefix: prefix) else { continue }
            element = (list, index)
            add(.keyTooLong(limit: IdentifierLimit.keyBytes), at: problem)
        }
        element = nil
    }

    /// The field to report, if `parts` and `prefix` more bytes are too long.
    private static func keyProblem(_ parts: [Part], prefix: Int = 0) -> String? {
        let length = parts.reduce(prefix) { $0 + $1.value.byteCount }
        guard length > IdentifierLimit.keyBytes, prefix <= IdentifierLimit.keyBytes else { return nil }
        return parts.max { $0.value.byteCount < $1.value.byteCount }?.field
    }
}
