package import Checkpoints
package import Metrics
import Synchronization

/// The metrics of one server, and the page that shows them.
package final class ServerMetrics: Sendable {
    /// For whoever has more to count; what it makes is on the page.
    package let factory: any MetricsFactory
    package let access: AccessMetrics
    package let transport: TransportMetrics
    package let retention: RetentionMetrics
    private let registry: PrometheusRegistry
    private let process: ProcessMetrics
    private let looks = Mutex<[@Sendable () async -> Void]>([])

    /// A server of its own, with a registry that no other writes to; the program makes one when it starts.
    package init(version: String) {
        registry = PrometheusRegistry()
        factory = PrometheusFactory(registry)
        access = AccessMetrics(factory)
        transport = TransportMetrics(factory)
        retention = RetentionMetrics(factory)
        process = ProcessMetrics(factory, version: version)
    }

    /// Has `look` called before each page is written, for what is not counted as it happens.
    ///
    /// It must end within a second or so, whatever has happened to what it looks at.
    package func beforeEachPage(_ look: @escaping @Sendable () async -> Void) {
        looks.withLock { $0.append(look) }
    }

    /// Shows the store's size, threads and connections, and whether it answers.
    package func show(_ store: any StoreMaintenance) {
        let gauges = StoreGauges(store, factory)
        beforeEachPage { await gauges.look() }
    }

    /// All metrics as they are now, in Prometheus' text format.
    package func page() async -> String {
        for look in looks.withLock({ $0 }) { await look() }
        process.look()
        showCompression()
        return PrometheusText.page(registry)
    }

    /// Only where both numbers are known.
    private func showCompression() {
        guard let stored = registry.value(of: MetricNames.storedBytes), stored > 0,
            let logical = registry.value(of: MetricNames.logicalBytes)
        else { return }
        Meter(MetricNames.compressionRatio, factory).set(logical / stored)
    }
}
