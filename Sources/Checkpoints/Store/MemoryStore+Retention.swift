extension MemoryStore {
    package func settings(of thread: ThreadKey) throws(StoreError) -> ThreadSettings? {
        try checkOpen("read what is set for a thread")
        guard threads[thread] != nil else { return nil }
        return settings[thread] ?? ThreadSettings.none
    }

    package func set(_ settings: ThreadSettings, for thread: ThreadKey) throws(StoreError) -> SettingsOutcome {
        try checkOpen("set how long a thread is kept")
        guard let contents = threads[thread] else { return .noThread }
        if let missing = settings.pins.sorted().first(where: { contents.checkpoints[$0] == nil }) {
            return .noCheckpoint(missing)
        }
        self.settings[thread] = settings == .none ? nil : settings
        return .done
    }

    package func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) throws(StoreError) -> [ThreadOverview] {
        try checkOpen("look at threads")
        let keys = threads.keys.filter { key in
            (last.map { $0 < key } ?? true) && (!areTimed || settings[key]?.timeToLive != nil)
        }
        return keys.sorted().prefix(limit).map { thread in
            let checkpoints = threads[thread]?.checkpoints ?? [:]
            let (first, head) = (
                checkpoints.min { $0.key.id < $1.key.id }, checkpoints.max { $0.key.id < $1.key.id }
            )
            return ThreadOverview(
                thread: thread,
                checkpoints: Dictionary(grouping: checkpoints.keys, by: \.namespace).mapValues(\.count),
                first: first.map { .init(id: $0.key.id, document: $0.value.document) },
                head: head.map { .init(id: $0.key.id, document: $0.value.document) },
                settings: settings[thread] ?? .none
            )
        }
    }

    package func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) throws(StoreError) -> RetentionReport {
        try plan(thread, policy, now).report
    }

    /// In one portion: nobody waits for it.
    package func retain(
        _ thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) throws(StoreError) -> RetentionReport {
        let (plan, report) = try plan(thread, policy, now)
        switch plan {
        case .nothing: break
        case .prune(let plan):
            try announce(report)
            remove(plan, from: thread)
        case .delete:
            try announce(report)
            remove(thread)
        }
        return report
    }

    private func plan(
        _ thread: ThreadKey,
        _ policy: RetentionPolicy,
        _ now: WallTime
    ) throws(StoreError) -> (plan: RetentionPlan, report: RetentionReport) {
        try checkOpen("look at a thread")
        guard let contents = threads[thread] else { return (.nothing, RetentionReport(thread: thread, outcome: .kept)) }
        let plan = try RetentionPlan(
            policy,
            of: contents.outline(of: thread),
            settings[thread] ?? .none,
            at: now,
            isSnapshot: contents.isSnapshot
        )
        let all = Set(contents.checkpoints.keys).union(contents.writes.keys)
        switch plan {
        case .nothing:
            return (plan, RetentionReport(thread: thread, outcome: .kept, kept: contents.checkpoints.count))
        case .prune(let prune):
            let removed = contents.counts(prune.deleted, prune.blobs)
            return (
                plan, RetentionReport(thread: thread, outcome: .pruned, removed: removed, kept: prune.keptCount)
            )
        case .delete:
            let removed = contents.counts(all, Set(contents.blobs.keys))
            return (plan, RetentionReport(thread: thread, outcome: .deleted, removed: removed))
        }
    }

    package func takeSweepTurn(_ holder: String, for duration: Duration) -> WallTime? { .now }

    package func endSweepTurn(_ holder: String) {}

    package func reclaim(leaving: Int, _ pace: SweepPace) -> FreedSpace { FreedSpace(bytes: 0) }
}
