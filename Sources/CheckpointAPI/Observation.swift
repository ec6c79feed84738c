package import Observability

/// What is noted of requests beside their log lines.
package struct Observation: Sendable {
    /// What counts them; nil for nothing, and no `/metrics`.
    package var metrics: ServerMetrics?
    /// Requests that take longer are logged with where the time went; nil for none.
    package var slowCall: Duration?

    package init(metrics: ServerMetrics? = nil, slowCall: Duration? = nil) {
        self.metrics = metrics
        self.slowCall = slowCall
    }
}
