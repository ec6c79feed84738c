/// Which checkpoints of a thread stay when it is pruned.
package enum PruneStrategy: Hashable, Sendable {
    /// The newest ones of each namespace, at least one, and what `PrunePlan` says must stay.
    case keepLatest(Int)
    /// None: the thread is deleted.
    case delete
}

/// What went of a thread, or would go.
package struct PruneReport: Hashable, Sendable {
    package let thread: ThreadKey
    package let removed: RowCounts
    /// Checkpoints that stay.
    package let kept: Int
    /// Whether nothing went because the thread is held.
    package let isHeld: Bool

    package init(thread: ThreadKey, removed: RowCounts = RowCounts(), kept: Int = 0, isHeld: Bool = false) {
        self.thread = thread
        self.removed = removed
        self.kept = kept
        self.isHeld = isHeld
    }
}
