import Checkpoints

/// A store that cannot.
struct FailingStore: ThreadStore, StoreMaintenance {
    let error: StoreError
    /// What is done before a put fails.
    var meanwhile: @Sendable () -> Void = {}

    func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation
    ) async throws(StoreError) -> PutOutcome {
        meanwhile()
        throw error
    }
    func putWrites(_ groups: [WriteGroup], for checkpoint: CheckpointKey) async throws(StoreError) { throw error }
    func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts
    ) async throws(StoreError) -> CheckpointTuple? { throw error }
    func list(_ query: CheckpointQuery) async throws(StoreError) -> CheckpointPage { throw error }
}

/// A store of which a test makes few of the calls: the others fail.
protocol PartialStore: ThreadStore, StoreMaintenance {
    var error: StoreError { get }
}

extension FailingStore: PartialStore {}

extension PartialStore {
    func deleteThread(_ thread: ThreadKey) async throws(StoreError) { throw error }
    func history(
        of channels: [Identifier],
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> [ChannelHistory] { throw error }
    func threads(
        of tenant: Tenant,
        after last: Identifier?,
        limit: Int
    ) async throws(StoreError) -> [ThreadSummary] { throw error }
    func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower { throw error }
    func summary(of thread: ThreadKey) async throws(StoreError) -> ThreadSummary? { throw error }
    func sizes(of thread: ThreadKey) async throws(StoreError) -> ThreadSizes? { throw error }
    func copyThread(_ source: ThreadKey, to target: Identifier) async throws(StoreError) -> CopyOutcome { throw error }
    func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) async throws(StoreError) { throw error }
    func prune(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        isDryRun: Bool
    ) async throws(StoreError) -> PruneReport { throw error }
    func settings(of thread: ThreadKey) async throws(StoreError) -> ThreadSettings? { throw error }
    func set(
        _ settings: ThreadSettings,
        for thread: ThreadKey
    ) async throws(StoreError) -> SettingsOutcome { throw error }
    func probe() async throws(StoreError) { throw error }
    func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification { throw error }
    func close() async {}
}
