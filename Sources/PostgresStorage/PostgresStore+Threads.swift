package import Checkpoints
import JSON
import Synchronization

extension PostgresStore: ThreadStore {
    /// In the order of the database's keys, which is that of their bytes unless another program made the tables.
    package func threads(
        of tenant: Tenant,
        after last: Identifier?,
        limit: Int
    ) async throws(StoreError) -> [ThreadSummary] {
        var parameters = PostgresParameters()
        parameters.add(Int64(limit))
        parameters.add(tenant.idPrefix)
        if let last { parameters.add(ThreadKey(last, tenant: tenant).storedID) }
        let statement = PostgresStatement(last == nil ? Self.firstThreads : Self.nextThreads, parameters)
        return try await answered { answer in
            readers.add(
                Read("list threads", statement, isScan: true) {
                    answer(.failure($0))
                } finish: { result in
                    let threads = (0..<result.rowCount).map { ThreadKey(storedID: result.identifier($0, 0)) }
                    return Self.summaries(of: threads.filter { $0.tenant == tenant }, then: answer)
                }
            )
        }
    }

    package func summary(of thread: ThreadKey) async throws(StoreError) -> ThreadSummary? {
        let found: [ThreadSummary] = try await answered { readers.add(Self.summaries(of: [thread], then: $0)) }
        return found.first
    }

    private typealias Answer<Value> = @Sendable (Result<Value, StoreError>) -> Void

    /// In the order given; those that have nothing are left out.
    private static func summaries(
        of threads: [ThreadKey],
        then answer: @escaping Answer<[ThreadSummary]>
    ) -> Read {
        var parameters = PostgresParameters()
        parameters.add(texts: threads.map(\.storedID))
        return Read("read threads", PostgresStatement(summaries, parameters), isScan: true) {
            answer(.failure($0))
        } finish: { result in
            var found: [Identifier: [NamespaceSummary]] = [:]
            for row in 0..<result.rowCount {
                found[result.identifier(row, 0), default: []].append(result.namespaceSummary(row))
            }
            answer(
                .success(
                    threads.compactMap { thread in
                        found[thread.storedID].map { ThreadSummary(thread: thread, namespaces: $0) }
                    }
                )
            )
            return nil
        }
    }

    package func copyThread(_ source: ThreadKey, to target: Identifier) async throws(StoreError) -> CopyOutcome {
        let target = ThreadKey(target, tenant: source.tenant)
        guard target != source else { return .done }
        let outcome = Mutex(CopyOutcome.done)
        let isCopied = Mutex(false)
        let edit = ThreadEdit(
            isDeletion: true,
            telling: {
                isCopied.withLock { $0 } ? ThreadChange(target, .replaced) : nil
            }
        ) { transaction throws(PostgresFailure) in
            let state = try Self.targetState(of: target, from: source, transaction)
            outcome.withLock { $0 = state.isEmpty || state.isCopy ? .done : .targetExists }
            isCopied.withLock { $0 = state.isEmpty }
            guard state.isEmpty else { return }
            var parameters = PostgresParameters()
            parameters.add(target.storedID)
            parameters.add(source.storedID)
            try transaction.run([PostgresStatement(Self.copy, parameters)])
        }
        try await perform(.edit(target, edit), "copy a thread")
        return outcome.withLock { $0 }
    }

    /// Whether a copy's target has nothing, and whether it has every checkpoint of the source.
    static func targetState(
        of target: ThreadKey,
        from source: ThreadKey,
        _ transaction: EditTransaction
    ) throws(PostgresFailure) -> (isEmpty: Bool, isCopy: Bool) {
        var parameters = PostgresParameters()
        parameters.add(target.storedID)
        parameters.add(source.storedID)
        var state = (isEmpty: true, isCopy: true)
        try transaction.run([PostgresStatement(targetState, parameters)]) { _, result in
            state = (isEmpty: result.isTrue(0, 0), isCopy: result.isTrue(0, 1))
        }
        return state
    }

    /// Finds the threads in one snapshot, then changes each in a transaction of its own.
    package func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) async throws(StoreError) {
        guard !runs.isEmpty else { return }
        var parameters = PostgresParameters()
        parameters.add(texts: runs)
        parameters.add(tenant.idPrefix)
        let statement = PostgresStatement(Self.threadsOfRuns, parameters)
        let threads: Set<ThreadKey> = try await answered { answer in
            readers.add(
                Read("find runs", statement, isScan: true) {
                    answer(.failure($0))
                } finish: { result in
                    let rows = (0..<result.rowCount).filter { row in
                        guard !result.isNull(row, 1) else { return true }
                        return JSONText(trusted: result.bytes(row, 1)).runID.map(runs.contains) ?? false
                    }
                    answer(.success(Set(rows.map { ThreadKey(storedID: result.identifier($0, 0)) })))
                    return nil
                }
            )
        }
        let hasSettings = columns.hasSettings
        let operation = "delete runs"
        let found = threads.filter { $0.tenant == tenant }.sorted { $0.storedID < $1.storedID }
        if hasSettings, try await settings(of: found).values.contains(where: \.isHeld) {
            throw StoreError(.held, during: operation)
        }
        for thread in found {
            let effect = Mutex<ThreadChange.Effect?>(nil)
            let isHeld = Mutex(false)
            let edit = ThreadEdit(
                isDeletion: true,
                telling: { effect.withLock { $0 }.map { ThreadChange(thread, $0) } }
            ) { transaction throws(PostgresFailure) in
                let settings = hasSettings ? try StoredSettings.read(thread, transaction) : .none
                isHeld.withLock { $0 = settings.isHeld }
                guard !settings.isHeld else { return }
                let stored = try StoredOutline(thread, transaction)
                let plan = stored.plan { outline, isSnapshot throws(StoreError) in
                    try PrunePlan(deletingRuns: runs, of: outline, pins: settings.pins, isSnapshot: isSnapshot)
                }
                let removed = stored.counts(of: plan)
                let isWhole = removed == stored.total
                effect.withLock { $0 = removed == RowCounts() ? nil : isWhole ? .deleted : .pruned }
                let settingsGo = isWhole && hasSettings ? [StoredSettings.deletion(of: thread)] : []
                try transaction.run(stored.statements(for: plan) + settingsGo)
            }
            try await perform(.edit(thread, edit), operation)
            if isHeld.withLock({ $0 }) { throw StoreError(.held, during: operation) }
        }
    }

    package func prune(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        isDryRun: Bool
    ) async throws(StoreError) -> PruneReport {
        let operation = "prune a thread"
        let report = Mutex(PruneReport(thread: thread))
        let hasSettings = columns.hasSettings
        @Sendable func plan(_ transaction: EditTransaction) throws(PostgresFailure) -> [PostgresStatement] {
            let settings = hasSettings ? try StoredSettings.read(thread, transaction) : .none
            let stored = try StoredOutline(thread, transaction)
            guard !settings.isHeld else {
                let count = stored.checkpointCount
                report.withLock { $0 = PruneReport(thread: thread, kept: count, isHeld: true) }
                return []
            }
            let plan = stored.plan { outline, isSnapshot throws(StoreError) in
                try PrunePlan(strategy, of: outline, pins: settings.pins, isSnapshot: isSnapshot)
            }
            let pruned = PruneReport(thread: thread, removed: stored.counts(of: plan), kept: plan.keptCount)
            report.withLock { $0 = pruned }
            let isWhole = strategy == .delete && plan.keptCount == 0 && hasSettings
            return stored.statements(for: plan) + (isWhole ? [StoredSettings.deletion(of: thread)] : [])
        }
        if isDryRun {
            try await snapshots.performInSnapshot(operation) { transaction throws(PostgresFailure) in
                _ = try plan(transaction)
            }
        } else {
            let edit = ThreadEdit(
                isDeletion: true,
                telling: {
                    guard report.withLock({ $0.removed != RowCounts() }) else { return nil }
                    return ThreadChange(thread, report.withLock { $0.kept } == 0 ? .deleted : .pruned)
                }
            ) { transaction throws(PostgresFailure) in
                try transaction.run(try plan(transaction))
            }
            try await perform(.edit(thread, edit), operation)
        }
        return report.withLock { $0 }
    }

    // MARK: - Statements

    /// Threads, namespaces, four counts, and the first and the newest checkpoint with their `ts`.
    private static let summaries = StatementText(
        "summaries",
        """
        WITH rows AS (
            SELECT thread_id, checkpoint_ns, 1 AS checkpoints, 0 AS blobs, 0 AS writes, checkpoint_id,
                \(StoredOutline.checkpointBytes) AS bytes
            FROM checkpoints WHERE thread_id = ANY ($1)
            UNION ALL
            SELECT thread_id, checkpoint_ns, 0, 1, 0, NULL, coalesce(pg_column_size(blob), 0)
            FROM checkpoint_blobs WHERE thread_id = ANY ($1)
            UNION ALL
            SELECT thread_id, checkpoint_ns, 0, 0, 1, NULL, coalesce(pg_column_size(blob), 0)
            FROM checkpoint_writes WHERE thread_id = ANY ($1)
        ), summed AS (
            SELECT thread_id, checkpoint_ns, sum(checkpoints)::int8 AS checkpoints, sum(blobs)::int8 AS blobs,
                sum(writes)::int8 AS writes, sum(bytes)::int8 AS bytes,
                min(checkpoint_id COLLATE "C") AS first, max(checkpoint_id COLLATE "C") AS head
            FROM rows GROUP BY thread_id, checkpoint_ns
        )
        SELECT summed.thread_id, summed.checkpoint_ns, checkpoints, blobs, writes, bytes, first, \(time("oldest")),
            head, \(time("newest"))
        FROM summed
        LEFT JOIN checkpoints AS oldest ON (oldest.thread_id, oldest.checkpoint_ns, oldest.checkpoint_id)
            = (summed.thread_id, summed.checkpoint_ns, summed.first)
        LEFT JOIN checkpoints AS newest ON (newest.thread_id, newest.checkpoint_ns, newest.checkpoint_id)
            = (summed.thread_id, summed.checkpoint_ns, summed.head)
        """
    )

    /// See `JSONText.time`.
    static func time(_ table: String) -> String {
        StoredCheckpoint.label("ts", of: "\(table).checkpoint")
    }

    /// Whether the target, `$1`, has nothing, and whether it has every checkpoint of the source, `$2`, or that one has nothing.
    private static let targetState = StatementText(
        "copy_target",
        """
        SELECT NOT EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = $1)
                AND NOT EXISTS (SELECT 1 FROM checkpoint_blobs WHERE thread_id = $1)
                AND NOT EXISTS (SELECT 1 FROM checkpoint_writes WHERE thread_id = $1),
            CASE WHEN EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = $2)
            THEN NOT EXISTS (
                SELECT 1 FROM checkpoints AS source WHERE thread_id = $2 AND NOT EXISTS (
                    SELECT 1 FROM checkpoints AS target
                    WHERE target.thread_id = $1 AND target.checkpoint_ns = source.checkpoint_ns
                        AND target.checkpoint_id = source.checkpoint_id
                )
            )
            ELSE NOT EXISTS (SELECT 1 FROM checkpoint_writes WHERE thread_id = $2)
                AND NOT EXISTS (SELECT 1 FROM checkpoint_blobs WHERE thread_id = $2) END
        """
    )

    /// One statement, and so of one snapshot; no value leaves the database.
    private static let copy: StatementText = {
        func insertion(_ table: String, _ columns: String) -> String {
            "INSERT INTO \(table) (thread_id, \(columns)) SELECT $1, \(columns) FROM \(table) WHERE thread_id = $2"
        }
        let checkpoints = insertion(
            "checkpoints",
            """
            checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint, metadata,
            milepost_checkpoint, milepost_metadata, milepost_digest
            """
        )
        let blobs = insertion("checkpoint_blobs", "checkpoint_ns, channel, version, type, blob")
        let writes = insertion(
            "checkpoint_writes", "checkpoint_ns, checkpoint_id, task_id, idx, channel, type, blob, task_path")
        return StatementText("copy", "WITH copied AS (\(checkpoints)), valued AS (\(blobs)) \(writes)")
    }()

    /// Threads, each with metadata that must be read to know whether they name the run: what `jsonb` holds of a name with
    /// U+FFFD may be another name's too.
    private static let threadsOfRuns = StatementText(
        "threads_of_runs",
        """
        SELECT DISTINCT thread_id,
            CASE WHEN \(StoredCheckpoint.mayDiffer("metadata ->> 'run_id'")) THEN \(StoredCheckpoint.metadata) END
        FROM checkpoints
        WHERE metadata ->> 'run_id' = ANY ($1) AND jsonb_typeof(metadata -> 'run_id') = 'string'
            AND \(Tenant.condition(2))
        """
    )

    private static let firstThreads = walkOfThreads("first_of_tenant", every: Tenant.condition(2))
    private static let nextThreads = walkOfThreads(
        "next_of_tenant", first: "thread_id > $3", every: Tenant.condition(2))
}
