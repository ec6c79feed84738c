import Checkpoints
import GRDB

/// Copies a thread's rows as they are stored: nothing is decoded, and chains stay chains.
///
/// Not by reference: chains never leave their thread, so that deleting a thread deletes all that it had.
struct ThreadCopy {
    enum TargetState {
        case empty
        /// It has every checkpoint of the source.
        case isCopy
        case differs
    }

    private let source: ThreadKey
    private let target: ThreadKey
    private let number: Int64?
    private let places: [(id: Identifier, namespace: Identifier)]
    private let transaction: SQLiteWriter.Transaction
    private var db: Database { transaction.db }

    init(_ source: ThreadKey, to target: ThreadKey, _ transaction: SQLiteWriter.Transaction) throws {
        self.source = source
        self.target = target
        self.transaction = transaction
        number = try source.number(in: transaction.db)
        places = try SQLiteStore.placesOfWrites(source, number, transaction.db)
    }

    func targetState() throws -> TargetState {
        let targetNumber = try target.number(in: db)
        let existing = try SQLiteStore.placesOfWrites(target, targetNumber, db)
        if targetNumber == nil && existing.isEmpty { return .empty }
        let missing = try db.cachedStatement(
            sql: """
                SELECT 1 FROM checkpoints AS source WHERE thread = ? AND NOT EXISTS (
                    SELECT 1 FROM checkpoints AS target
                    WHERE target.thread = ? AND target.checkpoint_ns = source.checkpoint_ns
                        AND target.checkpoint_id = source.checkpoint_id
                ) LIMIT 1
                """
        )
        let isMissing = try missing.hasRow { parameters in
            parameters.bind(number ?? -1)
            parameters.bind(targetNumber ?? -1)
        }
        guard let number else { return places.isEmpty ? .isCopy : .differs }
        let has = try db.cachedStatement(sql: "SELECT 1 FROM checkpoints WHERE thread = ? LIMIT 1")
        return try isMissing || !has.hasRow { $0.bind(number) } ? .differs : .isCopy
    }

    func run() throws {
        transaction.watched.touch(target)
        for place in places { try copyWrites(place) }
        guard let number else { return }
        let copy = try transaction.number(of: target)
        let checkpoints = try db.cachedStatement(
            sql: """
                INSERT INTO checkpoints (
                    thread, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                )
                SELECT ?, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM checkpoints WHERE thread = ?
                """
        )
        try checkpoints.run {
            $0.bind(copy)
            $0.bind(number)
        }
        try copyBlobs(from: number, to: copy)
    }

    /// A row at a time, because a chain's links name rows; a base always has the smaller number.
    private func copyBlobs(from number: Int64, to copy: Int64) throws {
        let list = try db.cachedStatement(sql: "SELECT blob, base FROM blobs WHERE thread = ? ORDER BY blob")
        var rows: [(row: Int64, base: Int64?)] = []
        try list.forEachRow {
            $0.bind(number)
        } _: { row in
            rows.append((row.integer(0), row.optionalInteger(1)))
            return true
        }
        let insert = try db.cachedStatement(
            sql: """
                INSERT INTO blobs (thread, checkpoint_ns, channel, version, type, position, base, encoding, payload)
                SELECT ?, checkpoint_ns, channel, version, type, position, ?, encoding, payload
                FROM blobs WHERE blob = ?
                """
        )
        var copies: [Int64: Int64] = [:]
        for (row, base) in rows {
            try insert.run { parameters in
                parameters.bind(copy)
                // A base that is not there is damage, and stays damage.
                parameters.bind(base.map { copies[$0] ?? -1 })
                parameters.bind(row)
            }
            copies[row] = db.lastInsertedRowID
        }
    }

    private func copyWrites(_ place: (id: Identifier, namespace: Identifier)) throws {
        let key = CheckpointKey(thread: source, namespace: place.namespace, id: place.id)
        for (table, columns) in [("writes", ", task_id, encoding, payload"), ("awaited_checkpoints", "")] {
            let statement = try db.cachedStatement(
                sql: """
                    INSERT INTO \(table) (checkpoint_id, thread_id, tenant, checkpoint_ns\(columns))
                    SELECT checkpoint_id, ?5, tenant, checkpoint_ns\(columns) FROM \(table)
                    WHERE checkpoint_id = ?1 AND thread_id = ?2 AND tenant = ?3 AND checkpoint_ns = ?4
                    """
            )
            try statement.run { parameters in
                parameters.bind(key)
                parameters.bind(packed: target.id)
            }
        }
    }
}
