import Checkpoints

/// The path of one thread, `/threads/ID`, or of one part of it, `/threads/ID/PART`.
///
/// The id is one step, escapes and all: it may be empty no more than it may have a slash that is not escaped.
struct ThreadPath {
    static let collection = "/threads"
    /// The path of a thread in the table of calls.
    static let template = "/threads/{thread_id}"
    /// The steps behind a thread's that name something of it; nothing else makes a path of a thread.
    static let parts: Set<String> = ["events", "retention"]
    private static let prefix = "/threads/"

    private let step: Substring
    /// Nil for the thread itself.
    let part: String?

    /// Nil for any other path.
    init?(_ path: String) {
        guard path.utf8.starts(with: Self.prefix.utf8) else { return nil }
        let steps = path[path.utf8.index(path.startIndex, offsetBy: Self.prefix.utf8.count)...]
            .split(separator: "/", omittingEmptySubsequences: false)
        guard steps.count <= 2, let step = steps.first, !step.isEmpty else { return nil }
        self.step = step
        part = steps.count == 2 ? String(steps[1]) : nil
        if let part, !Self.parts.contains(part) { return nil }
    }

    /// Nil for what is no identifier.
    static func id(in path: String) -> Identifier? {
        guard let path = ThreadPath(path) else { return nil }
        let id = path.step.decodingEscapes
        return id.utf8.contains(0) ? nil : Identifier(id)
    }

    /// The path of a part in the table of calls.
    static func template(of part: String) -> String {
        precondition(parts.contains(part), "a part of a thread is one of ThreadPath.parts")
        return "\(template)/\(part)"
    }

    /// This path in the table of calls.
    var template: String { part.map(Self.template(of:)) ?? Self.template }

    /// A path as the log shows it: without a thread's id, also where the path is of nothing.
    static func shown(_ path: String) -> String {
        if let known = ThreadPath(path) { return known.template }
        return path.utf8.starts(with: prefix.utf8) ? "\(template)/?" : path
    }
}
