package import Checkpoints
package import Metrics

/// What retention has done.
package struct RetentionMetrics: Sendable {
    private let sweeps: Counter
    private let deletedThreads: Counter
    private let deletedCheckpoints: Counter
    private let lastSweep: Meter
    private let reclaimedBytes: Counter

    package init(_ factory: any MetricsFactory) {
        sweeps = Counter(MetricNames.sweeps, factory)
        deletedThreads = Counter(MetricNames.deletedThreads, factory)
        deletedCheckpoints = Counter(MetricNames.deletedCheckpoints, factory)
        lastSweep = Meter(MetricNames.lastSweep, factory)
        reclaimedBytes = Counter(MetricNames.reclaimedBytes, factory)
    }

    /// Called as it happens, also in the middle of a sweep.
    package func deleted(threads: Int, checkpoints: Int) {
        deletedThreads.increment(by: threads)
        deletedCheckpoints.increment(by: checkpoints)
    }

    /// Called when space went back to the file system.
    package func reclaimed(bytes: Int) {
        reclaimedBytes.increment(by: bytes)
    }

    /// Called when a sweep has come to its end, with what deleted nothing too.
    package func swept(at time: Timestamp) {
        sweeps.increment()
        lastSweep.set(Double(time.seconds) + Double(time.milliseconds) / 1_000)
    }

    /// Called when a sweep has come to its end.
    package func observe(_ report: RetentionSweep.Report) {
        deleted(threads: report.deleted, checkpoints: report.removed.checkpoints)
        reclaimed(bytes: report.freed.bytes)
        swept(at: .now)
    }
}
