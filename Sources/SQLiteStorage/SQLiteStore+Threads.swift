package import Checkpoints
import GRDB
import Synchronization

extension SQLiteStore: ThreadStore {
    package func threads(
        of tenant: Tenant,
        after last: Identifier?,
        limit: Int
    ) async throws(StoreError) -> [ThreadSummary] {
        try await readers.perform("list threads") { snapshot in
            try ThreadListing.keys(of: tenant, after: last, limit: limit, in: snapshot.db).compactMap { thread in
                try Self.summary(of: thread, snapshot.db)
            }
        }
    }

    package func summary(of thread: ThreadKey) async throws(StoreError) -> ThreadSummary? {
        try await readers.perform("read a thread") { try Self.summary(of: thread, $0.db) }
    }

    package func sizes(of thread: ThreadKey) async throws(StoreError) -> ThreadSizes? {
        try await readers.perform("measure a thread") { try StoredSizes(thread, $0.db).sizes.unlessEmpty }
    }

    private static func summary(of thread: ThreadKey, _ db: Database) throws -> ThreadSummary? {
        try StoredSummary(thread, db).summary
    }

    package func copyThread(_ source: ThreadKey, to target: Identifier) async throws(StoreError) -> CopyOutcome {
        let target = ThreadKey(target, tenant: source.tenant)
        guard target != source else { return .done }
        let found = Mutex(ThreadCopy.TargetState.empty)
        let effect = writer.effect({ found.withLock { $0 == .empty } ? ThreadChange(target, .replaced) : nil })
        try await writer.perform("copy a thread", telling: effect) { transaction in
            let copy = try ThreadCopy(source, to: target, transaction)
            let state = try copy.targetState()
            found.withLock { $0 = state }
            if state == .empty { try copy.run() }
        }
        return found.withLock { $0 == .differs ? .targetExists : .done }
    }

    /// Finds the threads in one snapshot, then changes each in a transaction of its own.
    package func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) async throws(StoreError) {
        let operation = "delete runs"
        let threads = try await readers.perform("find runs") { snapshot in
            let threads = try Self.threads(with: runs, of: tenant, snapshot.db)
            for thread in threads where try StoredSettings.isHeld(thread, snapshot.db) {
                throw StoreError(.held, during: operation)
            }
            return threads
        }
        for thread in threads {
            let effect = Mutex<ThreadChange.Effect?>(nil)
            let isHeld = Mutex(false)
            let told = writer.effect({ effect.withLock { $0 }.map { ThreadChange(thread, $0) } })
            try await writer.perform(operation, telling: told) { transaction in
                let settings = try StoredSettings.read(thread, transaction.db)
                isHeld.withLock { $0 = settings.isHeld }
                guard !settings.isHeld else { return }
                let pruned = try Pruning(thread, transaction)?.run { outline, isSnapshot throws(StoreError) in
                    try PrunePlan(deletingRuns: runs, of: outline, pins: settings.pins, isSnapshot: isSnapshot)
                }
                guard let pruned, pruned.removed != RowCounts() else { return }
                effect.withLock { $0 = pruned.isWhole ? .deleted : .pruned }
            }
            if isHeld.withLock({ $0 }) { throw StoreError(.held, during: operation) }
        }
    }

    private static func threads(with runs: Set<Identifier>, of tenant: Tenant, _ db: Database) throws -> [ThreadKey] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM threads CROSS JOIN checkpoints USING (thread)
                WHERE tenant = ?
                """
        )
        var found: Set<ThreadKey> = []
        try statement.forEachRow {
            $0.bind(tenant.name)
        } _: { row in
            let thread = ThreadKey(row.packed(0), tenant: tenant)
            let key = CheckpointKey(thread: thread, namespace: row.identifier(1), id: row.identifier(2))
            // What cannot be read stays.
            if let checkpoint = try? StoredCheckpoint.read(key, in: row, from: 3),
                let run = checkpoint.metadata.runID, runs.contains(run)
            {
                found.insert(thread)
            }
            return true
        }
        return found.sorted()
    }

    /// A dry run does everything and takes it back: what it says is exact.
    package func prune(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        isDryRun: Bool
    ) async throws(StoreError) -> PruneReport {
        let operation = "prune a thread"
        if isDryRun, strategy == .delete {
            let report: PruneReport? = try await readers.perform(operation) { snapshot in
                let stored = try StoredOutline(thread, thread.number(in: snapshot.db), snapshot.db)
                let settings = try StoredSettings.read(thread, snapshot.db)
                return settings == .none ? PruneReport(thread: thread, removed: stored.total) : nil
            }
            if let report { return report }
        }
        let report = Mutex(PruneReport(thread: thread))
        let effect = writer.effect({
            let report = report.withLock { $0 }
            guard !isDryRun, report.removed != RowCounts() else { return nil }
            return ThreadChange(thread, report.kept == 0 ? .deleted : .pruned)
        })
        try await writer.perform(operation, telling: effect) { transaction in
            try transaction.db.inSavepoint {
                let found = try Self.pruned(thread, strategy, transaction)
                report.withLock { $0 = found }
                return isDryRun ? .rollback : .commit
            }
        }
        return report.withLock { $0 }
    }

    private static func pruned(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        _ transaction: SQLiteWriter.Transaction
    ) throws -> PruneReport {
        let db = transaction.db
        let settings = try StoredSettings.read(thread, db)
        if settings.isHeld || strategy == .delete {
            let stored = try StoredOutline(thread, thread.number(in: db), db)
            let checkpoints = stored.outline.checkpoints
            if settings.isHeld { return PruneReport(thread: thread, kept: checkpoints.count, isHeld: true) }
            if !checkpoints.contains(where: { settings.pins.contains($0.place) }) {
                try deleteThread(thread, transaction)
                return PruneReport(thread: thread, removed: stored.total)
            }
        }
        let result = try Pruning(thread, transaction)?.run { outline, isSnapshot throws(StoreError) in
            try PrunePlan(strategy, of: outline, pins: settings.pins, isSnapshot: isSnapshot)
        }
        return PruneReport(thread: thread, removed: result?.removed ?? RowCounts(), kept: result?.kept ?? 0)
    }
}
