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
        let threads = try await readers.perform("find runs") { try Self.threads(with: runs, of: tenant, $0.db) }
        for thread in threads {
            let effect = writer.effect({ ThreadChange(thread, .pruned) })
            try await writer.perform("delete runs", telling: effect) { transaction in
                _ = try Pruning(thread, transaction)?.run { outline, isSnapshot throws(StoreError) in
                    try PrunePlan(deletingRuns: runs, of: outline, isSnapshot: isSnapshot)
                }
            }
        }
    }

    private static func threads(with runs: Set<Identifier>, of tenant: Tenant, _ db: Database) throws -> [ThreadKey] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT thread_id, encoding, payload FROM threads CROSS JOIN checkpoints USING (thread)
                WHERE tenant = ?
                """
        )
        var found: Set<ThreadKey> = []
        try statement.forEachRow {
            $0.bind(tenant.name)
        } _: { row in
            // What cannot be read stays.
            if let texts = try? StoredCheckpoint.texts(in: row, from: 1), let run = texts.metadata.runID,
                runs.contains(run)
            {
                found.insert(ThreadKey(row.packed(0), tenant: tenant))
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
        let report = Mutex(PruneReport(thread: thread, removed: RowCounts(), kept: 0))
        let operation = "prune a thread"
        let effect = writer.effect({
            guard !isDryRun, report.withLock({ $0.removed != RowCounts() }) else { return nil }
            return ThreadChange(thread, strategy == .delete ? .deleted : .pruned)
        })
        switch strategy {
        case .delete where isDryRun:
            return try await readers.perform(operation) { snapshot in
                let stored = try StoredOutline(thread, thread.number(in: snapshot.db), snapshot.db)
                return PruneReport(thread: thread, removed: stored.total, kept: 0)
            }
        case .delete:
            try await writer.perform(operation, telling: effect) { transaction in
                let stored = try StoredOutline(thread, thread.number(in: transaction.db), transaction.db)
                report.withLock { $0 = PruneReport(thread: thread, removed: stored.total, kept: 0) }
                try Self.deleteThread(thread, transaction)
            }
        case .keepLatest(let count):
            try await writer.perform(operation, telling: effect) { transaction in
                try transaction.db.inSavepoint {
                    let result = try Pruning(thread, transaction)?.run { outline, isSnapshot throws(StoreError) in
                        try PrunePlan(keepingLast: count, of: outline, isSnapshot: isSnapshot)
                    }
                    let pruned = PruneReport(
                        thread: thread, removed: result?.removed ?? RowCounts(), kept: result?.kept ?? 0)
                    report.withLock { $0 = pruned }
                    return isDryRun ? .rollback : .commit
                }
            }
        }
        return report.withLock { $0 }
    }
}
