import Checkpoints

/// The field `include`: what an answer has beside what it always has.
struct Include: Sendable {
    private(set) var parts: TupleParts = []
    /// Whether writes carry their task path.
    private(set) var hasTaskPath = false

    /// The names, in the order of the document.
    static let names = ["blobs", "pending_writes", "task_path", "parent_sends"]

    init(parts: TupleParts = []) {
        self.parts = parts
    }

    fileprivate init(_ names: [String]) {
        for name in names {
            switch name {
            case "blobs": parts.insert(.blobs)
            case "pending_writes": parts.insert(.pendingWrites)
            case "task_path": hasTaskPath = true
            case "parent_sends": parts.insert(.parentSends)
            default: preconditionFailure("the field takes only these names")
            }
        }
    }

    mutating func formUnion(_ other: Include) {
        parts.formUnion(other.parts)
        hasTaskPath = hasTaskPath || other.hasTaskPath
    }
}

extension Field {
    /// Missing and null are no part.
    static func include(store: @escaping Store<Include>) -> Field {
        choices("include", "What to answer beside the rest", among: Include.names) { store(&$0, Include($1)) }
    }
}
