import Checkpoints
import GRDB
import JSON

/// A page of a list, read in one snapshot.
struct Listing {
    private let query: CheckpointQuery
    private let snapshot: Snapshot
    private var found: [CheckpointTuple] = []
    private var bytes = 0

    init(_ query: CheckpointQuery, _ snapshot: Snapshot) {
        self.query = query
        self.snapshot = snapshot
    }

    func page() throws -> CheckpointPage {
        var listing = self
        switch query.scope {
        case .thread(let thread): try listing.read(thread)
        case .tenant(let tenant): try listing.read(tenant)
        }
        return CheckpointPage(listing.found, of: query, isCut: listing.isCut)
    }

    private var isCut: Bool { bytes >= CheckpointQuery.pagePartBytes }

    private mutating func read(_ thread: ThreadKey) throws {
        guard let number = try thread.number(in: snapshot.db) else { return }
        let statement = try snapshot.db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM checkpoints
                WHERE thread = ? \(conditions) ORDER BY checkpoint_id DESC, checkpoint_ns DESC
                """
        )
        try statement.forEachRow { parameters in
            parameters.bind(number)
            bindConditions(&parameters)
        } _: { row in
            let key = CheckpointKey(thread: thread, namespace: row.identifier(0), id: row.identifier(1))
            return try take(StoredCheckpoint.read(key, in: row, from: 2), number)
        }
    }

    /// Sorts the keys of all the tenant's checkpoints, then reads those it takes.
    private mutating func read(_ tenant: Tenant) throws {
        let keys = try snapshot.db.cachedStatement(
            sql: """
                SELECT checkpoint, thread, thread_id, checkpoint_ns, checkpoint_id
                FROM threads CROSS JOIN checkpoints USING (thread)
                WHERE tenant = ? \(conditions)
                ORDER BY checkpoint_id DESC, \(Self.threadIDText) DESC, checkpoint_ns DESC
                """
        )
        let row = try snapshot.db.cachedStatement(
            sql: "SELECT parent_checkpoint_id, encoding, payload FROM checkpoints WHERE checkpoint = ?"
        )
        try keys.forEachRow { parameters in
            parameters.bind(tenant.name)
            bindConditions(&parameters)
        } _: { place in
            let key = CheckpointKey(
                thread: ThreadKey(place.packed(2), tenant: tenant),
                namespace: place.identifier(3),
                id: place.identifier(4)
            )
            let (checkpoint, number) = (place.integer(0), place.integer(1))
            return try row.firstRow {
                $0.bind(checkpoint)
            } _: { row in
                try take(StoredCheckpoint.read(key, in: row, from: 0), number)
            } ?? true
        }
    }

    /// False when the page is full.
    private mutating func take(_ checkpoint: Checkpoint, _ number: Int64) throws -> Bool {
        if let after = query.after, ListPlace(checkpoint.key) >= after { return true }
        if let filter = query.metadataFilter {
            guard try checkpoint.metadata.value.contains(filter) else { return true }
        }
        let tuple = try SQLiteStore.tuple(checkpoint, thread: number, query.parts, in: snapshot)
        found.append(tuple)
        bytes += tuple.partBytes
        return found.count < query.limit && !isCut
    }

    private var conditions: String {
        var conditions = ""
        if query.namespace != nil { conditions += " AND checkpoint_ns = ?" }
        if query.id != nil { conditions += " AND checkpoint_id = ?" }
        if query.before != nil { conditions += " AND checkpoint_id < ?" }
        if query.after != nil { conditions += " AND checkpoint_id <= ?" }
        return conditions
    }

    private func bindConditions(_ parameters: inout Parameters) {
        if let namespace = query.namespace { parameters.bind(namespace) }
        if let id = query.id { parameters.bind(id) }
        if let before = query.before { parameters.bind(before) }
        if let after = query.after { parameters.bind(after.id) }
    }

    /// A packed id as its text.
    private static let threadIDText: String = {
        let parts = [(1, 8), (9, 4), (13, 4), (17, 4), (21, 12)].map { "substr(hex(thread_id), \($0.0), \($0.1))" }
        return "CASE typeof(thread_id) WHEN 'blob' THEN lower(\(parts.joined(separator: " || '-' || "))) "
            + "ELSE thread_id END"
    }()
}
