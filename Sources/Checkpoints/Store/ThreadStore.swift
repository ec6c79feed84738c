/// What is done with whole threads.
///
/// Durability and atomicity are `CheckpointStore`'s, a thread at a time.
package protocol ThreadStore: CheckpointStore, ThreadFollowing {
    /// Threads of a tenant in ascending order of their ids' UTF-8 bytes, those that have only writes among them.
    ///
    /// Fewer than `limit` are all that are left. Costs a look at every row of each of them.
    func threads(of tenant: Tenant, after last: Identifier?, limit: Int) async throws(StoreError) -> [ThreadSummary]

    /// Nil when there is nothing under that id.
    func summary(of thread: ThreadKey) async throws(StoreError) -> ThreadSummary?

    /// What each row takes, in one snapshot; nil when there is nothing under that id.
    ///
    /// Costs a look at every row, of which documents and writes are decoded, one after the other, and blobs are not. Holds
    /// the keys of all rows. A store that encrypts has to decrypt blobs too, for their lengths, after the snapshot.
    func sizes(of thread: ThreadKey) async throws(StoreError) -> ThreadSizes?

    /// Gives another thread of the same tenant everything that this one has, under the same ids, in one transaction.
    ///
    /// A source with nothing, or equal to the target, changes nothing. So does a target that has something already.
    func copyThread(_ source: ThreadKey, to target: Identifier) async throws(StoreError) -> CopyOutcome

    /// Deletes the checkpoints of a tenant whose `metadata.run_id` is one of `runs`, with their writes and the blobs that
    /// only they named, except those that other checkpoints' state is made from (`PrunePlan`), and pinned ones.
    ///
    /// A transaction a thread. Throws `held` when one of the threads is held: then nothing was deleted, unless it is held since. Costs a look at every checkpoint of the tenant.
    func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) async throws(StoreError)

    /// Deletes what a thread no longer needs, or says what that would be, in one transaction.
    ///
    /// Pinned checkpoints stay, and everything of a thread that is held. A thread that does not exist is no error.
    func prune(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        isDryRun: Bool
    ) async throws(StoreError) -> PruneReport

    /// What is set for a thread; nil when there is no such thread.
    func settings(of thread: ThreadKey) async throws(StoreError) -> ThreadSettings?

    /// Sets all of it anew, in one transaction.
    func set(_ settings: ThreadSettings, for thread: ThreadKey) async throws(StoreError) -> SettingsOutcome
}

/// What became of a copy.
package enum CopyOutcome: Hashable, Sendable {
    /// The target has everything: since now, or since an earlier time.
    case done
    /// The target has something, and not every checkpoint of the source, or the source has none.
    case targetExists
}
