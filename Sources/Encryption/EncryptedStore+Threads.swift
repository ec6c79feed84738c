package import Checkpoints
import Synchronization

extension EncryptedStore {
    package func threads(
        of tenant: Tenant,
        after last: Identifier?,
        limit: Int
    ) async throws(StoreError) -> [ThreadSummary] {
        try await base.threads(of: tenant, after: last, limit: limit)
    }

    package func summary(of thread: ThreadKey) async throws(StoreError) -> ThreadSummary? {
        try await base.summary(of: thread)
    }

    /// Opens every value of the thread, one after the other: how long one is stands inside.
    ///
    /// A value that is damaged, or whose key is not there, is an error. What is put or deleted between the two looks
    /// counts as the store below had it, or not at all.
    package func sizes(of thread: ThreadKey) async throws(StoreError) -> ThreadSizes? {
        guard let sizes = try await base.sizes(of: thread) else { return nil }
        let sealer = sealer(thread)
        let opened = Mutex(OpenedSizes())
        try await base.rows(of: thread) { row throws(StoreError) in
            let row = try sealer.open(row)
            opened.withLock { $0.add(row) }
        }
        return opened.withLock { $0 }.applied(to: sizes)
    }

    /// Seals every row anew: a value cannot be opened in another thread.
    package func copyThread(_ source: ThreadKey, to target: Identifier) async throws(StoreError) -> CopyOutcome {
        let target = ThreadKey(target, tenant: source.tenant)
        guard target != source else { return .done }
        let (opener, sealer) = (sealer(source), sealer(target))
        return try await base.rewrite(source, as: target) { row throws(StoreError) in
            try sealer.seal(opener.open(row))
        }
    }

    package func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) async throws(StoreError) {
        try await base.deleteRuns(runs, of: tenant)
    }

    package func prune(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        isDryRun: Bool
    ) async throws(StoreError) -> PruneReport {
        try await base.prune(thread, strategy, isDryRun: isDryRun)
    }

    /// What followers are told is in clear.
    package func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower {
        try await base.follow(thread, receive)
    }
}

extension EncryptedStore: StoreMaintenance {
    package var warnings: [String] {
        guard acceptsPlaintext else { return base.warnings }
        return base.warnings + [
            "the store is being rekeyed and takes values that are not encrypted; run 'milepost rekey' to its end, then "
                + "start this server again"
        ]
    }

    package func probe() async throws(StoreError) {
        try await base.probe()
    }

    package var load: StoreLoad { base.load }

    package func measure(then answer: @escaping @Sendable (Result<StoreSizes, StoreError>) -> Void) {
        base.measure(then: answer)
    }

    package func countThreads(then answer: @escaping @Sendable (Result<Int?, StoreError>) -> Void) {
        base.countThreads(then: answer)
    }

    /// Looks for damage of the store's, then opens every value.
    package func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification {
        let found = try await base.verify(report)
        let source = EncryptedSource(base, keys: keys, acceptsPlaintext: acceptsPlaintext)
        return StoreVerification(checked: found.checked, damage: found.damage + (try await source.unopened()))
    }

    package func close() async {
        await base.close()
    }
}

extension EncryptedStore: ThreadTransfer {
    package func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        try await base.threads(after: last, limit: limit)
    }

    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        let sealer = sealer(thread)
        try await base.rows(of: thread) { row throws(StoreError) in try body(sealer.open(row)) }
    }

    package func add(_ rows: [ThreadRow], to thread: ThreadKey) async throws(StoreError) {
        let sealer = sealer(thread)
        try await base.add(rows.map { row throws(StoreError) in try sealer.seal(row) }, to: thread)
    }
}
