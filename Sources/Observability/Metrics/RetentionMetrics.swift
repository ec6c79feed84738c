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

    /// Called when a sweep has come to its end at `time`; what deleted nothing counts as one too.
    package func observe(_ report: RetentionSweep.Report, at time: Timestamp = .now) {
        deletedThreads.increment(by: report.deleted)
        deletedCheckpoints.increment(by: report.removed.checkpoints)
        reclaimedBytes.increment(by: report.freed.bytes)
        sweeps.increment()
        lastSweep.set(Double(time.seconds) + Double(time.milliseconds) / 1_000)
    }
}
