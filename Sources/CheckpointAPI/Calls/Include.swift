import Checkpoints

/// The field `include`: what an answer has beside what it always has.
struct Include: Sendable {
    /// The names, in the order of the document.
    enum Part: String, CaseIterable, Sendable {
        case blobs
        case pendingWrites = "pending_writes"
        case taskPath = "task_path"
        case parentSends = "parent_sends"
    }

    var named: Set<Part> = []

    var parts: TupleParts {
        var parts: TupleParts = []
        if named.contains(.blobs) { parts.insert(.blobs) }
        if named.contains(.pendingWrites) { parts.insert(.pendingWrites) }
        if named.contains(.parentSends) { parts.insert(.parentSends) }
        return parts
    }

    /// Whether writes carry their task path.
    var hasTaskPath: Bool { named.contains(.taskPath) }
}

extension Field {
    /// Missing and null are no part.
    static func include(store: @escaping Store<Include>) -> Field {
        choices("include", "What to answer beside the rest", among: Include.Part.allCases.map(\.rawValue)) {
            body, names in
            store(&body, Include(named: Set(names.compactMap { Include.Part(rawValue: $0) })))
        }
    }
}
