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

    /// Where the object that is being read stands; empty for the body itself.
    var path: [ValidationProblem.Step] = []

    var isEmpty: Bool { found.isEmpty }

    mutating func add(_ problem: Problem, at field: String? = nil, input: JSONValue? = nil) {
        guard found.count < Self.limit else { return }
        let location = field.map { path + [.field($0)] } ?? path
        found.append(
            ValidationProblem(
                type: problem.type,
                message: problem.message,
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
    mutating func requireKeyLength(_ parts: [Part], item: (list: String, index: Int)? = nil, _ more: [Part] = []) {
        let length = (parts + more).reduce(0) { $0 + $1.value.byteCount }
        guard length > IdentifierLimit.keyBytes else { return }
        let longest = (parts + more).max { $0.value.byteCount < $1.value.byteCount }
        guard let longest else { return }
        let isOfItem = more.contains { $0.field == longest.field }
        if let item, isOfItem {
            path = [.field(item.list), .index(item.index)]
        }
        defer { path = [] }
        let problem = Problem.keyTooLong(limit: IdentifierLimit.keyBytes)
        let isReported = found.last.map { $0.type == problem.type && !isOfItem && item != nil } ?? false
        if !isReported { add(problem, at: longest.field) }
    }
}
