package import Checkpoints
import GRDB
import Synchronization

extension SQLiteStore: RetainingStore {
    package func settings(of thread: ThreadKey) async throws(StoreError) -> ThreadSettings? {
        try await readers.perform("read what is set for a thread") { snapshot in
            try Self.exists(thread, snapshot.db) ? StoredSettings.read(thread, snapshot.db) : nil
        }
    }

    package func set(
        _ settings: ThreadSettings,
        for thread: ThreadKey
    ) async throws(StoreError) -> SettingsOutcome {
        let outcome = Mutex(SettingsOutcome.done)
        try await writer.perform("set how long a thread is kept") { transaction in
            let found = try Self.setting(settings, thread, transaction)
            outcome.withLock { $0 = found }
        }
        return outcome.withLock { $0 }
    }

    private static func setting(
        _ settings: ThreadSettings,
        _ thread: ThreadKey,
        _ transaction: SQLiteWriter.Transaction
    ) throws -> SettingsOutcome {
        guard try exists(thread, transaction.db) else { return .noThread }
        let statement = try transaction.db.cachedStatement(
            sql: """
                SELECT 1 FROM threads CROSS JOIN checkpoints USING (thread)
                WHERE tenant = ? AND thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?
                """
        )
        for pin in settings.pins.sorted() {
            let isThere = try statement.hasRow { parameters in
                parameters.bind(thread.tenant.name)
                parameters.bind(packed: thread.id)
                parameters.bind(pin.namespace)
                parameters.bind(pin.id)
            }
            if !isThere { return .noCheckpoint(pin) }
        }
        transaction.watched.touch(thread)
        try StoredSettings.write(settings, thread, transaction.db)
        return .done
    }

    /// Whether it has anything, if only writes to a checkpoint that has not come.
    static func exists(_ thread: ThreadKey, _ db: Database) throws -> Bool {
        if try thread.number(in: db) != nil { return true }
        return try db.cachedStatement(
            sql: "SELECT 1 FROM awaited_checkpoints WHERE thread_id = ? AND tenant = ? LIMIT 1"
        ).hasRow { parameters in
            parameters.bind(packed: thread.id)
            parameters.bind(thread.tenant.name)
        }
    }

    package func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) async throws(StoreError) -> [ThreadOverview] {
        try await readers.overviews(after: last, limit: limit, areTimed: areTimed)
    }

    package func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) async throws(StoreError) -> RetentionReport {
        try await readers.outlook(of: thread, under: policy, at: now)
    }

    /// What goes is found by a reader; the writer's turns only take it away, and only while no change has touched the thread.
    package func retain(
        _ thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) async throws(StoreError) -> RetentionReport {
        // What is being changed now is durable when this returns, and what comes later is noticed.
        try await writer.perform("look at a thread") { $0.watched.begin(thread) }
        let found = try await readers.perform("look at a thread") { try ThreadSweep(thread, policy, at: now, $0.db) }
        guard let sweep = found, sweep.report.outcome != .kept else {
            return found?.report ?? RetentionReport(thread: thread, outcome: .kept)
        }
        try announce(sweep.report)
        return try await carryOut(sweep, pace)
    }

    private func carryOut(_ sweep: ThreadSweep, _ pace: SweepPace) async throws(StoreError) -> RetentionReport {
        var report = sweep.report
        guard !sweep.isWhole || sweep.size > pace.size else {
            let isDone = try await portion(sweep.size, pace, telling: ThreadChange(sweep.report.thread, .deleted)) {
                try sweep.deleteRest($0)
            }
            return isDone.happened ? report : report.interrupted(RowCounts())
        }
        var (removed, growth) = (RowCounts(), 0)
        var moves = sweep.moves[...]
        while !moves.isEmpty {
            let limit = pace.size
            let next = moves
            let made = try await readers.perform("compress blobs") { snapshot in
                try Self.made(next, limit, snapshot.db)
            }
            let done = try await portion(made.size, pace) { try sweep.apply(made.blobs, $0) }
            guard done.happened, done.goesOn else { return report.interrupted(removed) }
            for (move, blob) in zip(moves, made.blobs) { growth += (blob.stored.payload?.count ?? 0) - move.blob.bytes }
            moves = moves.dropFirst(made.blobs.count)
        }
        var start = 0
        while start < sweep.steps.count {
            let (end, size) = sweep.end(from: start, size: pace.size)
            let range = start..<end
            let done = try await portion(size, pace, telling: ThreadChange(sweep.report.thread, .pruned)) {
                try sweep.delete(range, $0)
            }
            guard done.happened else { return report.interrupted(removed) }
            for step in sweep.steps[range] { removed += step.removed }
            start = end
            guard done.goesOn || start == sweep.steps.count && !sweep.isWhole else {
                return report.interrupted(removed)
            }
        }
        if sweep.isWhole {
            let size = max(1, sweep.steps.reduce(sweep.size) { $0 - $1.size })
            let done = try await portion(size, pace, telling: ThreadChange(sweep.report.thread, .deleted)) {
                try sweep.deleteRest($0)
            }
            guard done.happened else { return report.interrupted(removed) }
        } else {
            report.removed.bytes -= growth
        }
        return report
    }

    /// As many as come to a size, at least one.
    private static func made(
        _ moves: ArraySlice<BlobMove>,
        _ limit: Int,
        _ db: Database
    ) throws -> (blobs: [BlobMove.Made], size: Int) {
        var blobs: [BlobMove.Made] = []
        var size = 0
        for move in moves where size < limit {
            let blob = try move.make(db)
            size += 1 + (blob.stored.payload?.count ?? 0) / 4_096
            blobs.append(blob)
        }
        return (blobs, size)
    }

    /// One transaction of a sweep, with a rest after it.
    private func portion(
        _ size: Int,
        _ pace: SweepPace,
        telling change: ThreadChange? = nil,
        _ body: @escaping @Sendable (SQLiteWriter.Transaction) throws -> Bool
    ) async throws(StoreError) -> (happened: Bool, goesOn: Bool) {
        let state = Mutex((start: ContinuousClock.now, happened: false))
        let effect =
            change == nil ? .nothing : writer.effect({ state.withLock { $0.happened } ? change : nil })
        try await writer.perform("take away what is not kept", telling: effect) { transaction in
            let start = ContinuousClock.now
            let happened = try body(transaction)
            state.withLock { $0 = (start, happened) }
        }
        let (start, happened) = state.withLock { $0 }
        let goesOn = await pace.finished(size: size, took: ContinuousClock.now - start)
        return (happened, goesOn)
    }

    /// One process has the file.
    package func takeSweepTurn(_ holder: String, for duration: Duration) async throws(StoreError) -> WallTime? { .now }

    package func endSweepTurn(_ holder: String) async throws(StoreError) {}

    /// Free pages at the file's end are cut off, others are filled from there.
    ///
    /// https://www.sqlite.org/pragma.html#pragma_incremental_vacuum
    package func reclaim(leaving: Int, _ pace: SweepPace) async throws(StoreError) -> FreedSpace {
        let operation = "give space back"
        var free = try await readers.perform(operation) { try FreePages($0.db) }
        guard free.isReturnable else {
            let reason =
                "the file was made without auto_vacuum and does not become smaller: \(free.bytes) bytes are used again by what comes; "
                + "to have them back stop the server and run sqlite3 FILE 'PRAGMA auto_vacuum = INCREMENTAL; VACUUM'"
            return FreedSpace(bytes: 0, reason: free.bytes > leaving ? reason : nil)
        }
        var freed = 0
        while free.bytes > leaving {
            let count = min(pace.size, (free.bytes - leaving) / free.pageBytes + 1)
            let left = Mutex(free)
            let done = try await portion(count, pace) { transaction in
                try FreePages.giveBack(count, transaction.db)
                let now = try FreePages(transaction.db)
                left.withLock { $0 = now }
                return true
            }
            let before = free
            free = left.withLock { $0 }
            freed += (before.pages - free.pages) * free.pageBytes
            guard done.goesOn, free.pages < before.pages else { break }
        }
        return FreedSpace(bytes: max(freed, 0))
    }
}

extension RetentionReport {
    fileprivate func interrupted(_ removed: RowCounts) -> RetentionReport {
        RetentionReport(thread: thread, outcome: .interrupted, removed: removed)
    }
}

/// How much of the file is not used.
private struct FreePages {
    let pages: Int
    let free: Int
    let pageBytes: Int
    let isReturnable: Bool

    var bytes: Int { free * pageBytes }

    init(_ db: Database) throws {
        func ask(_ pragma: String) throws -> Int { try Int.fetchOne(db, sql: "PRAGMA \(pragma)") ?? 0 }
        pages = try ask("page_count")
        free = try ask("freelist_count")
        pageBytes = try ask("page_size")
        isReturnable = try ask("auto_vacuum") == 2
    }

    /// A step a page: the statement must be run to its end.
    static func giveBack(_ count: Int, _ db: Database) throws {
        try db.makeStatement(sql: "PRAGMA incremental_vacuum(\(count))").forEachRow { _ in
        } _: { _ in
            true
        }
    }
}

extension SQLiteFile: RetentionSource {
    package func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) async throws(StoreError) -> [ThreadOverview] {
        try await readers.overviews(after: last, limit: limit, areTimed: areTimed)
    }

    package func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) async throws(StoreError) -> RetentionReport {
        try await readers.outlook(of: thread, under: policy, at: now)
    }
}

extension SQLiteReaders {
    /// Threads in one snapshot: one has thousands of checkpoints now and then.
    private static let page = 16

    fileprivate func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) async throws(StoreError) -> [ThreadOverview] {
        try await perform("look at threads") { snapshot in
            let limit = min(limit, Self.page)
            let keys =
                areTimed
                ? try Self.timed(after: last, limit, snapshot.db)
                : try ThreadListing.keys(after: last, limit: limit, in: snapshot.db)
            return try keys.map { try Self.overview(of: $0, snapshot.db) }
        }
    }

    /// Threads with a time of their own are few.
    private static func timed(after last: ThreadKey?, _ limit: Int, _ db: Database) throws -> [ThreadKey] {
        let statement = try db.cachedStatement(
            sql: "SELECT tenant, thread_id FROM thread_settings WHERE ttl IS NOT NULL")
        var keys: [ThreadKey] = []
        try statement.forEachRow { _ in
        } _: { row in
            let key = ThreadKey(row.packed(1), tenant: Tenant(name: row.identifier(0)))
            if last.map({ $0 < key }) ?? true { keys.append(key) }
            return true
        }
        return Array(keys.sorted().prefix(limit))
    }

    private static func overview(of thread: ThreadKey, _ db: Database) throws -> ThreadOverview {
        var counts: [Identifier: Int] = [:]
        var ends: (first: CheckpointPlace, head: CheckpointPlace)?
        if let number = try thread.number(in: db) {
            let statement = try db.cachedStatement(
                sql: """
                    SELECT checkpoint_ns, count(*), min(checkpoint_id), max(checkpoint_id)
                    FROM checkpoints WHERE thread = ? GROUP BY checkpoint_ns
                    """
            )
            try statement.forEachRow {
                $0.bind(number)
            } _: { row in
                let namespace = row.identifier(0)
                counts[namespace] = Int(row.integer(1))
                let (first, head) = (
                    CheckpointPlace(namespace: namespace, id: row.identifier(2)),
                    CheckpointPlace(namespace: namespace, id: row.identifier(3))
                )
                let known = ends ?? (first, head)
                ends = (first.id < known.first.id ? first : known.first, head.id > known.head.id ? head : known.head)
                return true
            }
        }
        return ThreadOverview(
            thread: thread,
            checkpoints: counts,
            first: try ends.map { try StoredSummary.step($0.first.id, $0.first.namespace, of: thread, db) },
            head: try ends.map { try StoredSummary.step($0.head.id, $0.head.namespace, of: thread, db) },
            settings: try StoredSettings.read(thread, db)
        )
    }

    fileprivate func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) async throws(StoreError) -> RetentionReport {
        try await perform("look at a thread") { snapshot in
            try ThreadSweep(thread, policy, at: now, snapshot.db)?.report
                ?? RetentionReport(thread: thread, outcome: .kept)
        }
    }
}
