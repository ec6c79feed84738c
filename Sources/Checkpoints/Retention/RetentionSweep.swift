import Synchronization

/// One walk over the threads of a store, to take away what goes by itself, or to say what would.
package struct RetentionSweep: Sendable {
    /// Which threads are looked at.
    package enum Scope: Hashable, Sendable {
        case all
        case tenant(Tenant)
        case thread(ThreadKey)
    }

    /// What a sweep came to.
    package struct Report: Hashable, Sendable {
        package var threads = 0
        package var deleted = 0
        package var pruned = 0
        package var removed = RowCounts()
        package var freed = FreedSpace(bytes: 0)
        /// Threads that could not be looked at to the end, each with what was wrong with the last of them.
        package var failed = 0
        package var failure: String?
        /// By how much the clock had been set, so that nothing was looked at.
        package var clockSet: Duration?

        package init() {}

        /// Whether anything was taken away.
        package var didSomething: Bool { deleted + pruned > 0 || removed != RowCounts() || freed.bytes > 0 }

        fileprivate mutating func add(_ report: RetentionReport) {
            removed += report.removed
            switch report.outcome {
            case .kept, .interrupted: break
            case .pruned: pruned += 1
            case .deleted: deleted += 1
            }
        }
    }

    /// Threads that are asked for at once.
    private static let page = 100
    /// How long nobody else sweeps after the last sign of this one.
    private static let turn = Duration.seconds(60)
    private let policies: RetentionPolicies
    private let scope: Scope
    private let holder: String
    private let memory: SweepMemory
    private let reserve: Int
    private let clock: SweepClock?
    private let now: @Sendable (WallTime) -> WallTime

    /// `holder` tells apart the servers of one store; `memory` and `clock` are what a server keeps from one sweep to the next.
    ///
    /// With a `clock`, a sweep before which it was set, or has not been looked at yet, takes nothing. `reserve`: bytes of free space that are left for what comes next. `now` makes of the store's time the time that ages are counted to.
    package init(
        _ policies: RetentionPolicies,
        scope: Scope = .all,
        holder: String,
        memory: SweepMemory = SweepMemory(),
        reserve: Int = 1 << 20,
        clock: SweepClock? = nil,
        now: @escaping @Sendable (WallTime) -> WallTime = { $0 }
    ) {
        self.policies = policies
        self.scope = scope
        self.holder = holder
        self.memory = memory
        self.reserve = reserve
        self.clock = clock
        self.now = now
    }

    /// Takes away what goes; nil when another server is at it.
    ///
    /// `announce` is called before a thread loses anything, and `report` after each that was looked at, with all that went so far.
    package func run(
        on store: some RetainingStore,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void,
        report: @Sendable (RetentionReport, Report) throws(StoreError) -> Void
    ) async throws(StoreError) -> Report? {
        guard let time = try await store.takeSweepTurn(holder, for: Self.turn) else { return nil }
        var total = Report()
        let end = now(time)
        let look = clock?.look(at: end) ?? .steady
        if case .set(let difference) = look { total.clockSet = difference }
        guard look == .steady else {
            try await store.endSweepTurn(holder)
            return total
        }
        do throws(StoreError) {
            try await walk(store, at: end) { overview, policy throws(StoreError) in
                total.threads += 1
                guard memory.isWorthALook(overview, policy, at: end) else { return true }
                guard try await store.takeSweepTurn(holder, for: Self.turn) != nil else { return false }
                do throws(StoreError) {
                    let found = try await store.retain(
                        overview.thread, under: policy, at: end, pace, announce: announce)
                    if found.outcome == .kept { memory.note(overview, policy, at: end) }
                    total.add(found)
                    try report(found, total)
                } catch  where error.kind == .corrupt || error.kind == .unexpected {
                    total.failed += 1
                    total.failure = error.debugDescription
                }
                return !Task.isCancelled
            }
            if !Task.isCancelled { total.freed = try await store.reclaim(leaving: reserve, pace) }
        } catch {
            // The turn ends by itself, a little later.
            try? await store.endSweepTurn(holder)
            throw error
        }
        try await store.endSweepTurn(holder)
        return total
    }

    /// Looks at the clock before the first sweep; nothing is seen while another server is at it.
    package func lookAtClock(of store: some RetainingStore) async throws(StoreError) {
        guard let time = try await store.takeSweepTurn(holder, for: Self.turn) else { return }
        _ = clock?.look(at: now(time))
        try await store.endSweepTurn(holder)
    }

    /// Says what would go; changes nothing.
    package func preview(
        of source: some RetentionSource,
        at time: WallTime,
        report: @Sendable (RetentionReport, Report) -> Void
    ) async throws(StoreError) -> Report {
        var total = Report()
        let end = now(time)
        try await walk(source, at: end) { overview, policy throws(StoreError) in
            total.threads += 1
            guard overview.mayLose(under: policy, at: end) else { return true }
            do throws(StoreError) {
                let found = try await source.outlook(of: overview.thread, under: policy, at: end)
                total.add(found)
                report(found, total)
            } catch  where error.kind == .corrupt || error.kind == .unexpected {
                total.failed += 1
                total.failure = error.debugDescription
            }
            return !Task.isCancelled
        }
        return total
    }

    /// How many threads there are to look at.
    ///
    /// Costs what `RetentionSource.overviews` costs of each.
    package func threadCount(of source: some RetentionSource) async throws(StoreError) -> Int {
        var count = 0
        try await walk(source, at: WallTime.now) { _, _ in
            count += 1
            return !Task.isCancelled
        }
        return count
    }

    /// Calls `body` with every thread of the scope until it returns false.
    private func walk(
        _ source: some RetentionSource,
        at now: WallTime,
        _ body: (ThreadOverview, RetentionPolicy) async throws(StoreError) -> Bool
    ) async throws(StoreError) {
        var last: ThreadKey?
        while true {
            let page = try await source.overviews(after: last, limit: Self.page, areTimed: policies.isEmpty)
            guard let end = page.last else { return }
            for overview in page where scope.contains(overview.thread) {
                guard try await body(overview, policies[overview.thread.tenant]) else { return }
            }
            last = end.thread
        }
    }
}

extension RetentionSweep.Scope {
    fileprivate func contains(_ thread: ThreadKey) -> Bool {
        switch self {
        case .all: true
        case .tenant(let tenant): thread.tenant == tenant
        case .thread(let only): thread == only
        }
    }
}

/// Threads of which nothing could go as they were, so that nobody looks at all their rows again before they change.
package final class SweepMemory: Sendable {
    private static let limit = 100_000

    private let unchanged = Mutex<[ThreadKey: Int]>([:])

    package init() {}

    fileprivate func isWorthALook(_ thread: ThreadOverview, _ policy: RetentionPolicy, at now: WallTime) -> Bool {
        guard thread.mayLose(under: policy, at: now) else { return false }
        let mark = Self.mark(thread, policy, now)
        return unchanged.withLock { $0[thread.thread] != mark }
    }

    fileprivate func note(_ thread: ThreadOverview, _ policy: RetentionPolicy, at now: WallTime) {
        let mark = Self.mark(thread, policy, now)
        unchanged.withLock { unchanged in
            if unchanged.count >= Self.limit { unchanged.removeAll(keepingCapacity: true) }
            unchanged[thread.thread] = mark
        }
    }

    private static func mark(_ thread: ThreadOverview, _ policy: RetentionPolicy, _ now: WallTime) -> Int {
        var hasher = Hasher()
        hasher.combine(thread)
        hasher.combine(policy)
        hasher.combine(
            policy.replaced(by: thread.settings).isOver(first: thread.first?.time, newest: thread.head?.time, at: now))
        return hasher.finalize()
    }
}
