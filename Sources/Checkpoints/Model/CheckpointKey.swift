/// Whose data a call may touch.
///
/// It comes from the caller's credential, never from a request body, and is part of every key, so that no statement can
/// reach another tenant's rows.
package struct Tenant: Hashable, Sendable {
    /// Empty for the default tenant: what a server without authentication, and a database made before
    /// tenants existed, holds.
    package let name: Identifier

    package init(name: Identifier) {
        self.name = name
    }

    package static let `default` = Tenant(name: "")
}

/// One conversation: everything an agent saved under one `thread_id`.
///
/// Ids are never trimmed, normalised or case-folded.
package struct ThreadKey: Hashable, Sendable {
    package let tenant: Tenant
    package let id: Identifier

    package init(_ id: Identifier, tenant: Tenant = .default) {
        self.tenant = tenant
        self.id = id
    }
}

/// What names one checkpoint: a thread, a namespace in it (`""` is the root graph, anything else a
/// subgraph), and an id that LangGraph makes so that later checkpoints have greater ids.
package struct CheckpointKey: Hashable, Sendable {
    package let thread: ThreadKey
    package let namespace: Identifier
    package let id: Identifier

    package init(thread: ThreadKey, namespace: Identifier, id: Identifier) {
        self.thread = thread
        self.namespace = namespace
        self.id = id
    }
}

/// Limits of identifiers, the same on every store, checked before a store sees them.
package enum IdentifierLimit {
    /// UTF-8 bytes that the identifiers of one key may take together: thread, namespace and checkpoint id;
    /// with a write's task id, or thread, namespace, channel and version of a blob.
    ///
    /// PostgreSQL refuses an index row over 2,704 bytes. Four texts and an integer need at most 40 bytes of
    /// headers and alignment around them; the rest is margin.
    /// https://www.postgresql.org/docs/15/btree-implementation.html
    package static let keyBytes = 2_640
}
