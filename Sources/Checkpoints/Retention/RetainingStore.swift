/// A store, or a file that another process has open, of which can be said what would go by itself.
package protocol RetentionSource: Sendable {
    /// The next threads after one, in the order of `ThreadSource.threads`; `areTimed`: only those that have a time of their own.
    ///
    /// No thread is missing whose id comes before that of the last one returned; an empty answer is the end. Costs a look at the key
    /// of every checkpoint of each.
    func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) async throws(StoreError) -> [ThreadOverview]

    /// What would go of a thread now. Costs a look at every row of it.
    func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) async throws(StoreError) -> RetentionReport
}

/// A store that takes away what is no longer kept, while agents go on.
package protocol RetainingStore: ThreadStore, RetentionSource {
    /// Takes from a thread what goes under a policy, in transactions of a size that `pace` says.
    ///
    /// After each of them every checkpoint that is left has all that it needs. What comes to the thread meanwhile is
    /// never lost: then the rest is left for another time. `announce` is called before anything goes, with what will; what
    /// it throws is thrown here.
    func retain(
        _ thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) async throws(StoreError) -> RetentionReport

    /// Takes, or keeps, the turn to sweep for so long; nil while another server has it.
    ///
    /// - Returns: the time by the clock that all servers of the store share.
    func takeSweepTurn(_ holder: String, for duration: Duration) async throws(StoreError) -> WallTime?

    /// Gives the turn to others.
    func endSweepTurn(_ holder: String) async throws(StoreError)

    /// Gives space that is free back to the file system, in portions; little is left to be used again.
    ///
    /// `leaving`: bytes below which it is not worth the work.
    func reclaim(leaving: Int, _ pace: SweepPace) async throws(StoreError) -> FreedSpace
}

/// What went of a thread, or would go.
package struct RetentionReport: Hashable, Sendable {
    package enum Outcome: String, Hashable, Sendable {
        /// Nothing had to go.
        case kept
        case pruned
        case deleted
        /// The thread was changed meanwhile, or the sweep was ended: what is left goes another time.
        case interrupted
    }

    package let thread: ThreadKey
    package var outcome: Outcome
    package var removed: RowCounts
    /// Checkpoints that stay.
    package var kept: Int

    package init(thread: ThreadKey, outcome: Outcome, removed: RowCounts = RowCounts(), kept: Int = 0) {
        self.thread = thread
        self.outcome = outcome
        self.removed = removed
        self.kept = kept
    }
}

/// What became of free space.
package struct FreedSpace: Hashable, Sendable {
    /// Bytes that the file system has again.
    package var bytes: Int
    /// Why not all of it, and what can be done; nil when that is all right.
    package var reason: String?

    package init(bytes: Int, reason: String? = nil) {
        self.bytes = bytes
        self.reason = reason
    }
}
