package import Metrics

/// Makes swift-metrics' counters, gauges and histograms as series of a registry.
///
/// A timer is a histogram of seconds, and so is a recorder that aggregates, of whatever it is given; one that does not is
/// a gauge. Names and labels that Prometheus would not take are changed until it does.
package struct PrometheusFactory: MetricsFactory {
    private let registry: PrometheusRegistry

    package init(_ registry: PrometheusRegistry) {
        self.registry = registry
    }

    package func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        registry.counter(label, dimensions)
    }

    package func makeFloatingPointCounter(
        label: String,
        dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        registry.counter(label, dimensions)
    }

    package func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        registry.gauge(label, dimensions)
    }

    package func makeRecorder(
        label: String,
        dimensions: [(String, String)],
        aggregate: Bool
    ) -> any RecorderHandler {
        aggregate ? registry.histogram(label, dimensions) : registry.gauge(label, dimensions)
    }

    package func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        registry.histogram(label, dimensions)
    }

    package func destroyCounter(_ handler: any CounterHandler) { registry.remove(handler) }
    package func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { registry.remove(handler) }
    package func destroyMeter(_ handler: any MeterHandler) { registry.remove(handler) }
    package func destroyRecorder(_ handler: any RecorderHandler) { registry.remove(handler) }
    package func destroyTimer(_ handler: any TimerHandler) { registry.remove(handler) }
}

extension Counter {
    convenience init(_ name: MetricName, _ factory: any MetricsFactory, _ labels: [(String, String)] = []) {
        self.init(label: name.name, dimensions: labels, factory: factory)
    }
}

extension FloatingPointCounter {
    convenience init(_ name: MetricName, _ factory: any MetricsFactory, _ labels: [(String, String)] = []) {
        self.init(label: name.name, dimensions: labels, factory: factory)
    }
}

extension Meter {
    convenience init(_ name: MetricName, _ factory: any MetricsFactory, _ labels: [(String, String)] = []) {
        self.init(label: name.name, dimensions: labels, factory: factory)
    }
}

extension Recorder {
    convenience init(_ name: MetricName, _ factory: any MetricsFactory, _ labels: [(String, String)] = []) {
        self.init(label: name.name, dimensions: labels, factory: factory)
    }
}

extension Timer {
    convenience init(_ name: MetricName, _ factory: any MetricsFactory, _ labels: [(String, String)] = []) {
        self.init(label: name.name, dimensions: labels, factory: factory)
    }
}
