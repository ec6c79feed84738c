/// What goes of a thread under a policy.
package enum RetentionPlan: Sendable {
    case nothing
    /// What is in the plan.
    case prune(PrunePlan)
    /// The whole thread; what is in the plan may go before the rest.
    case delete(PrunePlan)

    /// A thread whose time is over is deleted, unless somebody waits for an answer in it, something is pinned, or a part
    /// cannot be read: then it is pruned to its newest checkpoints.
    ///
    /// One that has nothing but writes is left alone: its first checkpoint may be on its way.
    package init(
        _ policy: RetentionPolicy,
        of outline: ThreadOutline,
        _ settings: ThreadSettings,
        at now: WallTime,
        isSnapshot: PrunePlan.IsSnapshot
    ) throws(StoreError) {
        let policy = policy.replaced(by: settings)
        guard !settings.isHeld, !outline.checkpoints.isEmpty else {
            self = .nothing
            return
        }
        let newestFirst = { (left: CheckpointOutline, right: CheckpointOutline) in left.place.id < right.place.id }
        let isOver = policy.isOver(
            first: outline.checkpoints.min(by: newestFirst)?.content?.time,
            newest: outline.checkpoints.max(by: newestFirst)?.content?.time,
            at: now
        )
        guard let count = isOver ? 1 : policy.keepLast else {
            self = .nothing
            return
        }
        let plan = try PrunePlan(keepingLast: count, of: outline, pins: settings.pins, isSnapshot: isSnapshot)
        if isOver, !outline.mustStay(settings.pins) {
            self = .delete(plan)
        } else {
            self = plan.isEmpty ? .nothing : .prune(plan)
        }
    }
}

extension ThreadOutline {
    /// Whether there is something that no time takes away.
    fileprivate func mustStay(_ pins: Set<CheckpointPlace>) -> Bool {
        if checkpoints.contains(where: { $0.content == nil || pins.contains($0.place) }) { return true }
        let lineage = Lineage(self)
        return checkpoints.indices.contains(where: lineage.isWaiting)
    }
}
