package import JSON

/// Which checkpoints of a thread to list.
///
/// The answer is in descending order of the checkpoint id's UTF-8 bytes, then of the namespace's.
package struct CheckpointQuery: Sendable {
    package let thread: ThreadKey
    /// Nil for every namespace of the thread.
    package let namespace: Identifier?
    /// Only ids strictly smaller than this one; `""` leaves nothing.
    package let before: Identifier?
    /// Only checkpoints whose metadata contains this object, by the rules of PostgreSQL's `@>`.
    package let metadataFilter: JSONValue?
    /// How many at most, counted after the filter.
    package let limit: Int

    /// What `limit` may be.
    package static let limits = 1...1_000
    package static let defaultLimit = 100

    package init(
        thread: ThreadKey,
        namespace: Identifier? = nil,
        before: Identifier? = nil,
        metadataFilter: JSONValue? = nil,
        limit: Int = defaultLimit
    ) {
        precondition(Self.limits.contains(limit), "a list's limit is checked before the query is made")
        self.thread = thread
        self.namespace = namespace
        self.before = before
        self.metadataFilter = metadataFilter
        self.limit = limit
    }
}
