package import Checkpoints
package import Metrics

/// What a store says of itself while it works.
package struct StoreMetrics: StoreObserver {
    /// Which metrics there are.
    package enum Kind: Sendable {
        /// Commits, applying and flushes are told apart; values are compressed, and the latest are kept in memory.
        case sqlite
        /// A transaction is one round trip to a database that does the rest.
        case postgres
    }

    private let queueWait: Timer
    private let batchSize: Recorder
    private let committing: Timer
    private let failures: Counter
    private let logicalBytes: Counter
    private let file: FileMetrics?

    private struct FileMetrics: Sendable {
        let applying: Timer
        let flush: Timer
        let storedBytes: Counter
        let evictions: Counter

        init(_ factory: any MetricsFactory) {
            applying = Timer(MetricNames.applyDuration, factory)
            flush = Timer(MetricNames.flushDuration, factory)
            storedBytes = Counter(MetricNames.storedBytes, factory)
            evictions = Counter(MetricNames.evictions, factory, [("cache", "blobs")])
        }
    }

    package init(_ kind: Kind, _ factory: any MetricsFactory) {
        queueWait = Timer(MetricNames.queueWait, factory)
        batchSize = Recorder(MetricNames.batchSize, factory)
        committing = Timer(MetricNames.commitDuration, factory)
        failures = Counter(MetricNames.commitFailures, factory)
        logicalBytes = Counter(MetricNames.logicalBytes, factory)
        file = kind == .sqlite ? FileMetrics(factory) : nil
    }

    package func committed(_ report: CommitReport) {
        batchSize.record(report.waits.count)
        for wait in report.waits { queueWait.recordNanoseconds(wait.nanoseconds) }
        committing.recordNanoseconds(report.committing.nanoseconds)
        logicalBytes.increment(by: report.logicalBytes)
        guard let file else { return }
        if let applying = report.applying { file.applying.recordNanoseconds(applying.nanoseconds) }
        file.storedBytes.increment(by: report.storedBytes)
    }

    package func commitFailed() {
        failures.increment()
    }

    package func flushed(_ time: Duration) {
        file?.flush.recordNanoseconds(time.nanoseconds)
    }

    package func evicted(_ count: Int) {
        file?.evictions.increment(by: count)
    }
}
