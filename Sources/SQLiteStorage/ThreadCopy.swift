import Checkpoints
import GRDB

/// Copies a thread's rows as they are stored: nothing is decoded, and chains stay chains.
///
/// What a digest knows of the thread's name is exchanged.
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
    private let change: RowName
    private let places: [(id: Identifier, namespace: Identifier)]
    private let transaction: SQLiteWriter.Transaction
    private var db: Database { transaction.db }

    init(_ source: ThreadKey, to target: ThreadKey, _ transaction: SQLiteWriter.Transaction) throws {
        self.source = source
        self.target = target
        self.transaction = transaction
        change = .thread(source) ^ .thread(target)
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
        try copyCheckpoints(from: number, to: copy)
        try copyBlobs(from: number, to: copy)
    }

    private func copyCheckpoints(from number: Int64, to copy: Int64) throws {
        let list = try db.cachedStatement(sql: "SELECT checkpoint, encoding, payload FROM checkpoints WHERE thread = ?")
        let insert = try db.cachedStatement(
            sql: """
                INSERT INTO checkpoints (
                    thread, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                )
                SELECT ?, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, ?
                FROM checkpoints WHERE checkpoint = ?
                """
        )
        try copyRows(list, { $0.bind(number) }, insert) { $0.bind(copy) }
    }

    /// Each row of a list (its number, encoding and payload) under the new name: `insert` takes what names the target, the
    /// payload and the number.
    private func copyRows(
        _ list: Statement,
        _ bindSource: (inout Parameters) -> Void,
        _ insert: Statement,
        _ bindTarget: (inout Parameters) -> Void
    ) throws {
        try list.forEachRow(bindSource) { row in
            let number = row.integer(0)
            try row.payload(encoding: 1, payload: 2, renamedBy: change).withBytes { payload in
                try insert.run { parameters in
                    bindTarget(&parameters)
                    parameters.bind(inPlace: payload)
                    parameters.bind(number)
                }
            }
            return true
        }
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
                SELECT ?, checkpoint_ns, channel, version, type, position, ?, encoding, ?
                FROM blobs WHERE blob = ?
                """
        )
        let find = try db.cachedStatement(sql: "SELECT encoding, payload FROM blobs WHERE blob = ?")
        var copies: [Int64: Int64] = [:]
        for (row, base) in rows {
            let payload = try find.firstRow {
                $0.bind(row)
            } _: {
                $0.payload(encoding: 0, payload: 1, renamedBy: change)
            }
            try (payload ?? nil).withBytes { payload in
                try insert.run { parameters in
                    parameters.bind(copy)
                    // A base that is not there is damage, and stays damage.
                    parameters.bind(base.map { copies[$0] ?? -1 })
                    parameters.bind(inPlace: payload)
                    parameters.bind(row)
                }
            }
            copies[row] = db.lastInsertedRowID
        }
    }

    private func copyWrites(_ place: (id: Identifier, namespace: Identifier)) throws {
        let key = CheckpointKey(thread: source, namespace: place.namespace, id: place.id)
        let condition = "WHERE checkpoint_id = ?1 AND thread_id = ?2 AND tenant = ?3 AND checkpoint_ns = ?4"
        let awaited = try db.cachedStatement(
            sql: """
                INSERT INTO awaited_checkpoints (checkpoint_id, thread_id, tenant, checkpoint_ns)
                SELECT checkpoint_id, ?5, tenant, checkpoint_ns FROM awaited_checkpoints \(condition)
                """
        )
        try awaited.run {
            $0.bind(key)
            $0.bind(packed: target.id)
        }
        let list = try db.cachedStatement(sql: "SELECT write, encoding, payload FROM writes \(condition)")
        let insert = try db.cachedStatement(
            sql: """
                INSERT INTO writes (checkpoint_id, thread_id, tenant, checkpoint_ns, task_id, encoding, payload)
                SELECT checkpoint_id, ?, tenant, checkpoint_ns, task_id, encoding, ? FROM writes WHERE write = ?
                """
        )
        try copyRows(list, { $0.bind(key) }, insert) { $0.bind(packed: target.id) }
    }
}
