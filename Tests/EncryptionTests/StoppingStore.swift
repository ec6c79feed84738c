import Checkpoints
import Synchronization

/// A store whose changes fail from the given one on, as if the program had been killed there.
final class StoppingStore<Base: SealableStore>: SealableStore {
    private let base: Base
    private let left: Mutex<Int>
    private let isLastDone: Bool

    /// `count`: half changes; an odd one lets the change that fails take effect.
    init(_ base: Base, after count: Int) {
        self.base = base
        left = Mutex(count / 2)
        isLastDone = !count.isMultiple(of: 2)
    }

    /// Whether this change is to take effect, and whether it is to fail.
    private func next() -> (happens: Bool, fails: Bool) {
        left.withLock { left in
            left -= 1
            return (left >= 0 || isLastDone, left < 0)
        }
    }

    private static var failure: StoreError { StoreError(.unavailable, during: "stop", detail: "killed") }

    func encryptionState() async throws(StoreError) -> EncryptionState { try await base.encryptionState() }

    func setEncryptionState(_ state: EncryptionState) async throws(StoreOpenError) {
        let (happens, fails) = next()
        if happens { try await base.setEncryptionState(state) }
        if fails { throw StoreOpenError(.notAccessible, "killed", hint: "run it again") }
    }

    func rewrite(
        _ source: ThreadKey,
        as target: ThreadKey,
        _ transform: @escaping @Sendable (ThreadRow) throws(StoreError) -> ThreadRow
    ) async throws(StoreError) -> CopyOutcome {
        let (happens, fails) = next()
        let outcome = happens ? try await base.rewrite(source, as: target, transform) : .done
        if fails { throw Self.failure }
        return outcome
    }

    func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        try await base.threads(after: last, limit: limit)
    }

    func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        try await base.rows(of: thread, body)
    }

    // MARK: - What rekeying does not call

    func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower { throw Self.failure }

    func add(_ rows: [ThreadRow], to thread: ThreadKey) async throws(StoreError) { throw Self.failure }

    func put(
        _ checkpoint: Checkpoint, blobs: [ChannelBlob], expecting head: HeadExpectation
    ) async throws(StoreError) -> PutOutcome { throw Self.failure }

    func putWrites(_ groups: [WriteGroup], for checkpoint: CheckpointKey) async throws(StoreError) {
        throw Self.failure
    }

    func tuple(
        in thread: ThreadKey, namespace: Identifier, id: Identifier?, parts: TupleParts
    ) async throws(StoreError) -> CheckpointTuple? { throw Self.failure }

    func list(_ query: CheckpointQuery) async throws(StoreError) -> CheckpointPage { throw Self.failure }

    func deleteThread(_ thread: ThreadKey) async throws(StoreError) { throw Self.failure }

    func history(
        of channels: [Identifier], in thread: ThreadKey, namespace: Identifier, id: Identifier?
    ) async throws(StoreError) -> [ChannelHistory] { throw Self.failure }

    func threads(of tenant: Tenant, after last: Identifier?, limit: Int) async throws(StoreError) -> [ThreadSummary] {
        throw Self.failure
    }

    func summary(of thread: ThreadKey) async throws(StoreError) -> ThreadSummary? { throw Self.failure }

    func sizes(of thread: ThreadKey) async throws(StoreError) -> ThreadSizes? { throw Self.failure }

    func copyThread(_ source: ThreadKey, to target: Identifier) async throws(StoreError) -> CopyOutcome {
        throw Self.failure
    }

    func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) async throws(StoreError) { throw Self.failure }

    func prune(
        _ thread: ThreadKey, _ strategy: PruneStrategy, isDryRun: Bool
    ) async throws(StoreError) -> PruneReport { throw Self.failure }

    func settings(of thread: ThreadKey) async throws(StoreError) -> ThreadSettings? { throw Self.failure }

    func set(_ settings: ThreadSettings, for thread: ThreadKey) async throws(StoreError) -> SettingsOutcome {
        throw Self.failure
    }

    func overviews(after last: ThreadKey?, limit: Int, areTimed: Bool) async throws(StoreError) -> [ThreadOverview] {
        throw Self.failure
    }

    func outlook(
        of thread: ThreadKey, under policy: RetentionPolicy, at now: WallTime
    ) async throws(StoreError) -> RetentionReport { throw Self.failure }

    func retain(
        _ thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) async throws(StoreError) -> RetentionReport { throw Self.failure }

    func takeSweepTurn(_ holder: String, for duration: Duration) async throws(StoreError) -> WallTime? { nil }

    func endSweepTurn(_ holder: String) async throws(StoreError) {}

    func reclaim(leaving: Int, _ pace: SweepPace) async throws(StoreError) -> FreedSpace { throw Self.failure }

    func probe() async throws(StoreError) { throw Self.failure }

    func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification { throw Self.failure }

    func close() async {}
}
