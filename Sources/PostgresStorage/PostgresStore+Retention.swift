package import Checkpoints
import Synchronization

extension PostgresStore: RetainingStore {
    /// Checkpoints that go in one transaction, about.
    private static let portion = 2_000

    package func settings(of thread: ThreadKey) async throws(StoreError) -> ThreadSettings? {
        let operation = "read what is set for a thread"
        try requireSettings(operation)
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        let exists = try await ask(operation, PostgresStatement(Self.exists, parameters)) { $0.isTrue(0, 0) }
        return exists ? try await settings(of: [thread])[thread] ?? ThreadSettings.none : nil
    }

    /// Of threads that have any.
    func settings(of threads: [ThreadKey]) async throws(StoreError) -> [ThreadKey: ThreadSettings] {
        guard columns.hasSettings, !threads.isEmpty else { return [:] }
        var parameters = PostgresParameters()
        parameters.add(texts: threads.map(\.storedID))
        let statement = PostgresStatement(StoredSettings.some, parameters)
        let found = try await ask("read what is set for threads", statement) { result in
            (0..<result.rowCount).map { row in
                (ThreadKey(storedID: result.identifier(row, 0)), StoredSettings.settings(result, row))
            }
        }
        var settings: [ThreadKey: ThreadSettings] = [:]
        for (thread, own) in found { settings[thread] = try own.get() }
        return settings
    }

    private func requireSettings(_ operation: String) throws(StoreError) {
        guard columns.hasSettings else {
            throw StoreError(.unavailable, during: operation, detail: PostgresSchema.withoutRetention)
        }
    }

    package func set(
        _ settings: ThreadSettings,
        for thread: ThreadKey
    ) async throws(StoreError) -> SettingsOutcome {
        let operation = "set how long a thread is kept"
        try requireSettings(operation)
        let outcome = Mutex(SettingsOutcome.done)
        let edit = ThreadEdit { transaction throws(PostgresFailure) in
            let pins = settings.pins.sorted()
            var name = PostgresParameters()
            name.add(thread.storedID)
            var keys = name
            keys.add(texts: pins.map(\.namespace))
            keys.add(texts: pins.map(\.id))
            var found = SettingsOutcome.done
            let questions = [PostgresStatement(Self.exists, name), PostgresStatement(Self.firstMissing, keys)]
            try transaction.run(questions) { index, result in
                if index == 0, !result.isTrue(0, 0) {
                    found = .noThread
                } else if index == 1, found == .done, result.rowCount > 0 {
                    found = .noCheckpoint(
                        CheckpointPlace(namespace: result.identifier(0, 0), id: result.identifier(0, 1)))
                }
            }
            let result = found
            outcome.withLock { $0 = result }
            if result == .done { try transaction.run([StoredSettings.writing(settings, thread)]) }
        }
        try await perform(.edit(thread, edit), operation)
        return outcome.withLock { $0 }
    }

    package func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) async throws(StoreError) -> [ThreadOverview] {
        let threads: [ThreadKey]
        if areTimed {
            guard columns.hasSettings else { return [] }
            var parameters = PostgresParameters()
            parameters.add(Int64(limit))
            parameters.add(last?.storedID ?? "")
            threads = try await ask("list threads", PostgresStatement(Self.timed, parameters)) { result in
                (0..<result.rowCount).map { ThreadKey(storedID: result.identifier($0, 0)) }
            }
        } else {
            threads = try await self.threads(after: last, limit: limit)
        }
        guard !threads.isEmpty else { return [] }
        let settings = try await settings(of: threads)
        var parameters = PostgresParameters()
        parameters.add(texts: threads.map(\.storedID))
        let rows = try await ask("look at threads", PostgresStatement(Self.overviews, parameters)) { result in
            (0..<result.rowCount).map { row in
                Row(
                    thread: ThreadKey(storedID: result.identifier(row, 0)),
                    namespace: result.identifier(row, 1),
                    count: result.integer(row, 2),
                    first: result.step(row, 3),
                    head: result.step(row, 5)
                )
            }
        }
        let byThread = Dictionary(grouping: rows, by: \.thread)
        return threads.map { thread in
            let rows = byThread[thread] ?? []
            return ThreadOverview(
                thread: thread,
                checkpoints: Dictionary(rows.map { ($0.namespace, $0.count) }) { $1 },
                first: rows.compactMap(\.first).min { $0.id < $1.id },
                head: rows.compactMap(\.head).max { $0.id < $1.id },
                settings: settings[thread] ?? .none
            )
        }
    }

    private struct Row {
        let thread: ThreadKey
        let namespace: Identifier
        let count: Int
        let first: NamespaceSummary.Step?
        let head: NamespaceSummary.Step?
    }

    package func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) async throws(StoreError) -> RetentionReport {
        let report = Mutex(RetentionReport(thread: thread, outcome: .kept))
        let hasSettings = columns.hasSettings
        try await snapshots.performInSnapshot("look at a thread") { transaction throws(PostgresFailure) in
            let portion = try RetentionPortion(
                thread, policy, now, transaction, hasSettings: hasSettings, limit: Self.portion)
            report.withLock { $0 = portion.outlook }
        }
        return report.withLock { $0 }
    }

    /// Each transaction looks at the whole thread, which nobody can change then: what it takes away can go as things stand.
    package func retain(
        _ thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) async throws(StoreError) -> RetentionReport {
        try requireSettings("take away what is not kept")
        var total: RetentionReport?
        var isFirst = true
        while true {
            let start = ContinuousClock.now
            let portion = try await portion(thread, policy, now, isFirst, announce)
            isFirst = false
            var report = total ?? RetentionReport(thread: thread, outcome: .kept, kept: portion.outlook.kept)
            report.removed += portion.removed
            report.kept = portion.outlook.kept
            if portion.outlook.outcome != .kept { report.outcome = portion.outlook.outcome }
            let goesOn = await pace.finished(
                size: portion.removed.checkpoints + 1, took: ContinuousClock.now - start)
            if portion.isLast { return report }
            guard goesOn else {
                report.outcome = .interrupted
                return report
            }
            total = report
        }
    }

    private func portion(
        _ thread: ThreadKey,
        _ policy: RetentionPolicy,
        _ now: WallTime,
        _ isFirst: Bool,
        _ announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) async throws(StoreError) -> RetentionPortion {
        let found = Mutex<RetentionPortion?>(nil)
        let refusal = Mutex<StoreError?>(nil)
        let edit = ThreadEdit(
            isDeletion: true,
            telling: {
                guard let portion = found.withLock({ $0 }), portion.removed != RowCounts() else { return nil }
                let isWhole = portion.isLast && portion.outlook.outcome == .deleted
                return ThreadChange(thread, isWhole ? .deleted : .pruned)
            }
        ) { transaction throws(PostgresFailure) in
            let portion = try RetentionPortion(
                thread, policy, now, transaction, hasSettings: true, limit: Self.portion)
            // A second time nothing more is said.
            let isNew = found.withLock { found in
                defer { found = portion }
                return found == nil
            }
            if isFirst, isNew, portion.outlook.outcome != .kept {
                do throws(StoreError) {
                    try announce(portion.outlook)
                } catch {
                    refusal.withLock { $0 = error }
                    throw .givenUp
                }
            }
            try transaction.run(portion.statements)
        }
        do throws(StoreError) {
            try await perform(.edit(thread, edit), "take away what is not kept")
        } catch {
            throw refusal.withLock { $0 } ?? error
        }
        guard let portion = found.withLock({ $0 }) else {
            throw StoreError(.unexpected, during: "take away what is not kept", detail: "it was not looked at")
        }
        return portion
    }

    package func takeSweepTurn(_ holder: String, for duration: Duration) async throws(StoreError) -> WallTime? {
        guard columns.hasSettings else { return nil }
        var parameters = PostgresParameters()
        parameters.add(Identifier(holder))
        parameters.add(duration.milliseconds)
        return try await lease(PostgresStatement(Self.takeTurn, parameters)).map {
            WallTime(milliseconds: Int64($0))
        }
    }

    package func endSweepTurn(_ holder: String) async throws(StoreError) {
        var parameters = PostgresParameters()
        parameters.add(Identifier(holder))
        _ = try await lease(PostgresStatement(Self.endTurn, parameters))
    }

    private func lease(_ statement: PostgresStatement) async throws(StoreError) -> Int? {
        let operation = "take the turn to sweep"
        let answer = Mutex<Int?>(nil)
        try await snapshots.perform(operation) { connection throws(StoreError) in
            do throws(PostgresFailure) {
                try connection.run(statement, until: .now + PostgresLimits.patience) { result in
                    let found = result.rowCount > 0 ? result.integer(0, 0) : nil
                    answer.withLock { $0 = found }
                }
            } catch {
                throw error.error(during: operation)
            }
        }
        return answer.withLock { $0 }
    }

    /// Autovacuum makes deleted rows' space usable again; files hardly ever become smaller by that.
    package func reclaim(leaving: Int, _ pace: SweepPace) async throws(StoreError) -> FreedSpace {
        FreedSpace(
            bytes: 0,
            reason:
                "PostgreSQL uses the space again after autovacuum and gives little back; VACUUM FULL would, and locks the tables"
        )
    }

    // MARK: - Statements

    private static let exists = StatementText(
        "thread_exists",
        """
        SELECT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = $1)
            OR EXISTS (SELECT 1 FROM checkpoint_blobs WHERE thread_id = $1)
            OR EXISTS (SELECT 1 FROM checkpoint_writes WHERE thread_id = $1)
        """
    )
    private static let firstMissing = StatementText(
        "missing_pin",
        """
        SELECT pinned_ns, pinned_id FROM unnest($2::text[], $3::text[]) AS pinned (pinned_ns, pinned_id)
        WHERE NOT EXISTS (
            SELECT 1 FROM checkpoints WHERE thread_id = $1 AND checkpoint_ns = pinned_ns AND checkpoint_id = pinned_id
        )
        LIMIT 1
        """
    )
    private static let timed = StatementText(
        "timed_threads",
        """
        SELECT thread_id FROM milepost_thread_settings WHERE ttl IS NOT NULL AND thread_id > $2
        ORDER BY thread_id LIMIT $1
        """
    )
    private static let overviews = StatementText(
        "overviews",
        """
        WITH counted AS (
            SELECT thread_id, checkpoint_ns, count(*)::int8 AS checkpoints,
                min(checkpoint_id COLLATE "C") AS first, max(checkpoint_id COLLATE "C") AS head
            FROM checkpoints WHERE thread_id = ANY ($1) GROUP BY thread_id, checkpoint_ns
        )
        SELECT counted.thread_id, counted.checkpoint_ns, checkpoints, first, \(time("oldest")), head, \(time("newest"))
        FROM counted
        LEFT JOIN checkpoints AS oldest ON (oldest.thread_id, oldest.checkpoint_ns, oldest.checkpoint_id)
            = (counted.thread_id, counted.checkpoint_ns, counted.first)
        LEFT JOIN checkpoints AS newest ON (newest.thread_id, newest.checkpoint_ns, newest.checkpoint_id)
            = (counted.thread_id, counted.checkpoint_ns, counted.head)
        """
    )
    /// Nobody takes it for an hour: one that ends later was taken before the clock was set back.
    private static let takeTurn = StatementText(
        "take_turn",
        """
        INSERT INTO milepost_leases AS lease (name, holder, expires_at)
        VALUES ('sweep', $1, clock_timestamp() + $2::int8 * interval '1 millisecond')
        ON CONFLICT (name) DO UPDATE SET holder = EXCLUDED.holder, expires_at = EXCLUDED.expires_at
        WHERE lease.holder = EXCLUDED.holder OR lease.expires_at < clock_timestamp()
            OR lease.expires_at > clock_timestamp() + interval '1 hour'
        RETURNING (extract(epoch FROM clock_timestamp()) * 1000)::int8
        """
    )
    private static let endTurn = StatementText(
        "end_turn", "DELETE FROM milepost_leases WHERE name = 'sweep' AND holder = $1 RETURNING 1::int8")
}

/// What goes of a thread in one transaction.
private struct RetentionPortion: Sendable {
    /// What would go in all that are to come.
    let outlook: RetentionReport
    let statements: [PostgresStatement]
    let removed: RowCounts
    let isLast: Bool

    init(
        _ thread: ThreadKey,
        _ policy: RetentionPolicy,
        _ now: WallTime,
        _ transaction: EditTransaction,
        hasSettings: Bool,
        limit: Int
    ) throws(PostgresFailure) {
        let settings = hasSettings ? try StoredSettings.read(thread, transaction) : .none
        let stored = try StoredOutline(thread, transaction)
        switch stored.plan(policy, settings, at: now) {
        case .nothing:
            outlook = RetentionReport(thread: thread, outcome: .kept, kept: stored.checkpointCount)
            (statements, removed, isLast) = ([], RowCounts(), true)
        case .delete:
            outlook = RetentionReport(thread: thread, outcome: .deleted, removed: stored.total)
            statements = PostgresStore.deletion(of: thread, hasSettings: hasSettings)
            (removed, isLast) = (stored.total, true)
        case .prune(let plan):
            outlook = RetentionReport(
                thread: thread, outcome: .pruned, removed: stored.counts(of: plan), kept: plan.keptCount)
            let (steps, isAll) = stored.steps(of: plan, limit: limit)
            let (deleted, blobs) = (steps.map(\.place), steps.flatMap(\.blobs))
            statements = stored.statements(deleted: deleted, orphaned: steps.flatMap(\.orphans), blobs: blobs)
            removed = stored.counts(deleted: deleted, blobs: blobs)
            isLast = isAll
        }
    }
}
