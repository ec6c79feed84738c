package import Checkpoints

/// What goes is decided by what is in clear: ids, times, channels and their versions.
extension EncryptedStore {
    package func settings(of thread: ThreadKey) async throws(StoreError) -> ThreadSettings? {
        try await base.settings(of: thread)
    }

    package func set(
        _ settings: ThreadSettings,
        for thread: ThreadKey
    ) async throws(StoreError) -> SettingsOutcome {
        try await base.set(settings, for: thread)
    }

    package func overviews(
        after last: ThreadKey?,
        limit: Int,
        areTimed: Bool
    ) async throws(StoreError) -> [ThreadOverview] {
        try await base.overviews(after: last, limit: limit, areTimed: areTimed)
    }

    package func outlook(
        of thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime
    ) async throws(StoreError) -> RetentionReport {
        try await base.outlook(of: thread, under: policy, at: now)
    }

    package func retain(
        _ thread: ThreadKey,
        under policy: RetentionPolicy,
        at now: WallTime,
        _ pace: SweepPace,
        announce: @escaping @Sendable (RetentionReport) throws(StoreError) -> Void
    ) async throws(StoreError) -> RetentionReport {
        try await base.retain(thread, under: policy, at: now, pace, announce: announce)
    }

    package func takeSweepTurn(_ holder: String, for duration: Duration) async throws(StoreError) -> WallTime? {
        try await base.takeSweepTurn(holder, for: duration)
    }

    package func endSweepTurn(_ holder: String) async throws(StoreError) {
        try await base.endSweepTurn(holder)
    }

    package func reclaim(leaving: Int, _ pace: SweepPace) async throws(StoreError) -> FreedSpace {
        try await base.reclaim(leaving: leaving, pace)
    }
}
