import Checkpoints
import GRDB

/// Carries a plan out in the writer's transaction.
///
/// What stays gets a new thread number: so a key of `RecentBlobs` names the same bytes for ever, although a version that
/// went may be put again. Of a channel whose chain loses a link, the versions that stay are put into a new chain.
struct Pruning {
    private let thread: ThreadKey
    private let number: Int64
    private let stored: StoredOutline
    private let transaction: SQLiteWriter.Transaction
    /// The number of what stays.
    private let next: Int64
    private var db: Database { transaction.db }

    /// Nil when the thread has no checkpoints and blobs.
    init?(_ thread: ThreadKey, _ transaction: SQLiteWriter.Transaction) throws {
        guard let number = try thread.number(in: transaction.db) else { return nil }
        self.thread = thread
        self.number = number
        self.transaction = transaction
        next = transaction.threads.unused()
        stored = try StoredOutline(thread, number, transaction.db)
    }

    /// - Returns: what went, how many checkpoints stay, and whether the thread has nothing any more.
    func run(
        _ plan: (ThreadOutline, PrunePlan.IsSnapshot) throws(StoreError) -> PrunePlan
    ) throws -> (removed: RowCounts, kept: Int, isWhole: Bool) {
        let plan = try plan(stored.outline, stored.isSnapshot(db))
        var removed = RowCounts()
        for place in plan.deleted {
            try delete(place)
            removed += stored.counts[place] ?? RowCounts()
        }
        for place in plan.orphaned { try StoredCheckpoint.cutParent(of: place, thread: number, db) }
        removed += try deleteBlobs(plan)
        guard !plan.deleted.isEmpty || removed.blobs > 0 else { return (removed, plan.keptCount, false) }
        return (removed, plan.keptCount, isWhole: try !renumber())
    }

    private func delete(_ place: CheckpointPlace) throws {
        let key = CheckpointKey(thread: thread, namespace: place.namespace, id: place.id)
        try db.delete(from: "writes", at: key)
        try db.delete(from: "awaited_checkpoints", at: key)
        let statement = try db.cachedStatement(
            sql: "DELETE FROM checkpoints WHERE thread = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
        )
        try statement.run { $0.bind(number, place.namespace, place.id) }
    }

    private func deleteBlobs(_ plan: PrunePlan) throws -> RowCounts {
        var removed = RowCounts()
        let delete = try db.cachedStatement(sql: "DELETE FROM blobs WHERE blob = ?")
        let channels = Dictionary(grouping: stored.blobs, by: \.channel)
        for (_, blobs) in channels {
            let going = blobs.filter { plan.blobs.contains($0.key) }
            guard !going.isEmpty else { continue }
            let goingRows = Set(going.map(\.row))
            let staying = blobs.filter { !goingRows.contains($0.row) }
            var gone = going
            if staying.contains(where: { $0.base.map(goingRows.contains) ?? false }) {
                // A chain with damage in it stays as it is.
                guard try areReadable(staying) else { continue }
                removed.bytes -= try chain(staying)
                removed.blobs -= staying.count
                gone += staying
            }
            for blob in gone {
                try delete.run { $0.bind(blob.row) }
                removed += RowCounts(blobs: 1, bytes: blob.bytes)
            }
        }
        return removed
    }

    private func areReadable(_ blobs: [StoredOutline.Blob]) throws -> Bool {
        do {
            for blob in blobs { _ = try blob.read(db) }
            return true
        } catch let error as StoreError where error.kind == .corrupt {
            return false
        }
    }

    /// Puts versions under the new number; returns the bytes they take there.
    private func chain(_ blobs: [StoredOutline.Blob]) throws -> Int {
        let size = try db.cachedStatement(
            sql: """
                SELECT length(payload) FROM blobs
                WHERE thread = ? AND checkpoint_ns = ? AND channel = ? AND version = ?
                """
        )
        var bytes = 0
        for blob in blobs.sorted(by: { $0.key.version.version < $1.key.version.version }) {
            let value = try blob.read(db)
            let version = blob.key.version
            let copy = ChannelBlob(
                channel: version.channel, version: version.version, type: value.type, bytes: value.bytes)
            let placed = try BlobChain.place(
                copy, of: thread, next, blob.key.namespace, in: transaction.snapshot)
            let key = RecentBlobs.Key(next, blob.key.namespace, copy)
            _ = try BlobChain.insert(placed, of: thread, key, in: transaction.snapshot)
            bytes += Int(
                try size.firstRow { parameters in
                    parameters.bind(next)
                    parameters.bind(blob.key.namespace)
                    parameters.bind(version.channel)
                    parameters.bind(packedVersion: version.version)
                } _: {
                    $0.integer(0)
                } ?? 0
            )
        }
        return bytes
    }

    /// Moves what is left to the new number, or the thread away when nothing is.
    ///
    /// - Returns: whether it has anything.
    private func renumber() throws -> Bool {
        for table in ["checkpoints", "blobs"] {
            try db.cachedStatement(sql: "UPDATE \(table) SET thread = ? WHERE thread = ?").run {
                $0.bind(next)
                $0.bind(number)
            }
        }
        let isLeft = try ["checkpoints", "blobs"].contains { table in
            try db.cachedStatement(sql: "SELECT 1 FROM \(table) WHERE thread = ? LIMIT 1").hasRow { $0.bind(next) }
        }
        let sql =
            isLeft
            ? "UPDATE threads SET thread = ?1 WHERE tenant = ?2 AND thread_id = ?3"
            : "DELETE FROM threads WHERE ?1 IS NOT NULL AND tenant = ?2 AND thread_id = ?3"
        try db.cachedStatement(sql: sql).run {
            $0.bind(next)
            $0.bind(thread.tenant.name)
            $0.bind(packed: thread.id)
        }
        // Writes to a checkpoint that has not come keep the thread, and with it what is set for it.
        let exists = try isLeft || SQLiteStore.exists(thread, db)
        if !exists { try StoredSettings.delete(thread, db) }
        transaction.forget(thread, number)
        return exists
    }
}
