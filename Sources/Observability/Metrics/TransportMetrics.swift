package import Metrics

/// What the connections of clients take.
package struct TransportMetrics: Sendable {
    private let open: Meter
    private let limit: Meter
    private let refused: FollowedCounter
    private let bodyBytes: Meter
    private let bodyLimit: Meter

    package init(_ factory: any MetricsFactory) {
        open = Meter(MetricNames.connectionsOpen, factory)
        limit = Meter(MetricNames.connectionsLimit, factory)
        refused = FollowedCounter(Counter(MetricNames.connectionsRefused, factory))
        bodyBytes = Meter(MetricNames.bodyBytes, factory)
        bodyLimit = Meter(MetricNames.bodyLimit, factory)
    }

    /// `refused` is how many were refused so far.
    package func connections(open count: Int, limit most: Int, refused total: Int) {
        open.set(count)
        limit.set(most)
        refused.follow(total)
    }

    /// Of bodies that are in memory.
    package func bodies(bytes: Int, limit: Int) {
        bodyBytes.set(bytes)
        bodyLimit.set(limit)
    }
}
