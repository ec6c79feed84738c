import Checkpoints
import GRDB

/// A thread in figures: rows are counted where they lie, and of documents only the first and the newest of a namespace are
/// read.
///
/// Writes are decoded, because a row has several.
struct StoredSummary {
    private let thread: ThreadKey
    private let db: Database
    private var counts: [Identifier: RowCounts] = [:]
    private var ids: [Identifier: (first: Identifier, head: Identifier)] = [:]

    init(_ thread: ThreadKey, _ db: Database) throws {
        self.thread = thread
        self.db = db
        let number = try thread.number(in: db)
        if let number {
            try countCheckpoints(number)
            try countBlobs(number)
        }
        try countWrites(number)
    }

    /// Nil when there is nothing.
    var summary: ThreadSummary? {
        get throws {
            guard !counts.isEmpty else { return nil }
            return ThreadSummary(
                thread: thread,
                namespaces: try counts.map { namespace, counts in
                    NamespaceSummary(
                        namespace: namespace,
                        first: try ids[namespace].map { try Self.step($0.first, namespace, of: thread, db) },
                        head: try ids[namespace].map { try Self.step($0.head, namespace, of: thread, db) },
                        counts: counts
                    )
                }
            )
        }
    }

    private mutating func countCheckpoints(_ number: Int64) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, count(*), sum(length(payload)), min(checkpoint_id), max(checkpoint_id)
                FROM checkpoints WHERE thread = ? GROUP BY checkpoint_ns
                """
        )
        try statement.forEachRow {
            $0.bind(number)
        } _: { row in
            let namespace = row.identifier(0)
            counts[namespace, default: RowCounts()] += RowCounts(
                checkpoints: Int(row.integer(1)), bytes: Int(row.integer(2)))
            ids[namespace] = (row.identifier(3), row.identifier(4))
            return true
        }
    }

    private mutating func countBlobs(_ number: Int64) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, count(*), coalesce(sum(length(payload)), 0)
                FROM blobs WHERE thread = ? GROUP BY checkpoint_ns
                """
        )
        try statement.forEachRow {
            $0.bind(number)
        } _: { row in
            counts[row.identifier(0), default: RowCounts()] += RowCounts(
                blobs: Int(row.integer(1)), bytes: Int(row.integer(2)))
            return true
        }
    }

    private mutating func countWrites(_ number: Int64?) throws {
        for (id, namespace) in try SQLiteStore.placesOfWrites(thread, number, db) {
            let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
            try SQLiteStore.forEachTask(of: key, in: db) { found, bytes in
                // A row that is damaged counts as one write; who reads it is told.
                let count = (try? found.get())?.count ?? 1
                counts[namespace, default: RowCounts()] += RowCounts(writes: count, bytes: bytes)
            }
        }
    }

    /// A document that is damaged has no time.
    static func step(
        _ id: Identifier,
        _ namespace: Identifier,
        of thread: ThreadKey,
        _ db: Database
    ) throws -> NamespaceSummary.Step {
        do {
            if let found = try SQLiteStore.checkpoint(in: thread, namespace, id, db) {
                return NamespaceSummary.Step(id: id, document: found.checkpoint.document)
            }
        } catch let error as StoreError where error.kind == .corrupt {
            return NamespaceSummary.Step(id: id, time: nil)
        }
        return NamespaceSummary.Step(id: id, time: nil)
    }
}
