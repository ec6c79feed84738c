package import JSON

/// Which checkpoints to list, and what of each.
///
/// The answer is in descending order of the checkpoint id's UTF-8 bytes, then of the thread id's, then of the namespace's.
package struct CheckpointQuery: Sendable {
    /// Where to look.
    package enum Scope: Hashable, Sendable {
        case thread(ThreadKey)
        /// Every thread of a tenant.
        ///
        /// Costs a look at all its checkpoints' ids.
        case tenant(Tenant)

        package var tenant: Tenant {
            switch self {
            case .thread(let thread): thread.tenant
            case .tenant(let tenant): tenant
            }
        }
    }

    package let scope: Scope
    /// Nil for every namespace of the thread.
    package let namespace: Identifier?
    /// Only checkpoints of this id; nil for any.
    package let id: Identifier?
    /// Only ids strictly smaller than this one; `""` leaves nothing.
    package let before: Identifier?
    /// Only what comes after this place; nil from the beginning.
    package let after: ListPlace?
    /// Only checkpoints whose metadata contains this object, by the rules of PostgreSQL's `@>`.
    package let metadataFilter: JSONValue?
    /// How many at most, counted after the filter.
    package let limit: Int
    /// What to read of each.
    package let parts: TupleParts

    /// What `limit` may be.
    package static let limits = 1...1_000
    package static let defaultLimit = 100
    /// Bytes of blobs and writes after which a page ends, however many it may have: see `CheckpointPage`.
    package static let pagePartBytes = 8 << 20

    package init(
        scope: Scope,
        namespace: Identifier? = nil,
        id: Identifier? = nil,
        before: Identifier? = nil,
        after: ListPlace? = nil,
        metadataFilter: JSONValue? = nil,
        limit: Int = defaultLimit,
        parts: TupleParts = []
    ) {
        precondition(Self.limits.contains(limit), "a list's limit is checked before the query is made")
        self.scope = scope
        self.namespace = namespace
        self.id = id
        self.before = before
        self.after = after
        self.metadataFilter = metadataFilter
        self.limit = limit
        self.parts = parts
    }

    package init(
        thread: ThreadKey,
        namespace: Identifier? = nil,
        before: Identifier? = nil,
        metadataFilter: JSONValue? = nil,
        limit: Int = defaultLimit
    ) {
        self.init(
            scope: .thread(thread),
            namespace: namespace,
            before: before,
            metadataFilter: metadataFilter,
            limit: limit
        )
    }
}

/// A place in the order of a list, which stays the same whatever is put or deleted meanwhile.
package struct ListPlace: Hashable, Comparable, Sendable {
    package let id: Identifier
    package let thread: Identifier
    package let namespace: Identifier

    package init(id: Identifier, thread: Identifier, namespace: Identifier) {
        self.id = id
        self.thread = thread
        self.namespace = namespace
    }

    package init(_ key: CheckpointKey) {
        self.init(id: key.id, thread: key.thread.id, namespace: key.namespace)
    }

    /// Ascending: a list goes the other way.
    package static func < (left: ListPlace, right: ListPlace) -> Bool {
        if left.id != right.id { return left.id < right.id }
        if left.thread != right.thread { return left.thread < right.thread }
        return left.namespace < right.namespace
    }
}

/// A page of a list.
package struct CheckpointPage: Hashable, Sendable {
    package let tuples: [CheckpointTuple]
    /// Where the next page begins; nil when this is the last.
    ///
    /// There is one when the page has as many as were asked for, or ended early because its blobs and writes came to
    /// `CheckpointQuery.pagePartBytes`. Then the next page may be empty.
    package let next: ListPlace?

    package init(tuples: [CheckpointTuple], next: ListPlace?) {
        self.tuples = tuples
        self.next = next
    }

    /// The page that ends with these tuples.
    ///
    /// `isCut`: whether it ended because of its bytes.
    package init(_ tuples: [CheckpointTuple], of query: CheckpointQuery, isCut: Bool) {
        let isFull = isCut || tuples.count >= query.limit
        self.init(tuples: tuples, next: isFull ? tuples.last.map { ListPlace($0.checkpoint.key) } : nil)
    }
}
