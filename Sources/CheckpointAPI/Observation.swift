package import Observability

/// What is noted of requests beside their log lines.
package struct Observation: Sendable {
    /// What counts them; nil for nothing, and no `/metrics`.
    package var metrics: ServerMetrics?
    /// Requests that take longer are logged with where the time went; nil for none.
    package var slowCall: Duration?
    /// What makes spans of them; nil for none, whatever a request brings.
    package var tracer: OTLPTracer?
    /// What the server's URLs begin with, for the spans.
    package var scheme: String

    package init(
        metrics: ServerMetrics? = nil,
        slowCall: Duration? = nil,
        tracer: OTLPTracer? = nil,
        scheme: String = "http"
    ) {
        self.metrics = metrics
        self.slowCall = slowCall
        self.tracer = tracer
        self.scheme = scheme
    }
}
