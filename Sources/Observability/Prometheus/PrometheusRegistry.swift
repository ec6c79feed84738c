import Synchronization

/// All series of a process, by name and labels.
///
/// Making a series takes a lock and renders its labels, once; changing it takes neither.
package final class PrometheusRegistry: Sendable {
    /// The series of one name.
    struct Family: Sendable {
        let name: MetricName
        /// By their labels as they are written.
        var series: [String: PrometheusSeries] = [:]
    }

    private let descriptions: [String: MetricName]
    private let families = Mutex<[String: Family]>([:])

    /// What is not among `names` is shown too, without a line about it.
    package init(_ names: [MetricName] = MetricNames.all) {
        descriptions = Dictionary(names.map { ($0.name, $0) }) { first, _ in first }
    }

    /// The families that have series, by name.
    var all: [Family] {
        families.withLock { Array($0.values) }.sorted { $0.name.name < $1.name.name }
    }

    /// Of a counter without labels; nil when there is none.
    func value(of name: MetricName) -> Double? {
        let series = families.withLock { $0[name.name]?.series[""] }
        return if case .counter(let counter)? = series { counter.value } else { nil }
    }

    func counter(_ name: String, _ labels: [(String, String)]) -> CounterSeries {
        let series = series(name, labels, .counter) { _ in .counter(CounterSeries()) }
        return if case .counter(let found)? = series { found } else { CounterSeries() }
    }

    func gauge(_ name: String, _ labels: [(String, String)]) -> GaugeSeries {
        let series = series(name, labels, .gauge) { _ in .gauge(GaugeSeries()) }
        return if case .gauge(let found)? = series { found } else { GaugeSeries() }
    }

    func histogram(_ name: String, _ labels: [(String, String)]) -> HistogramSeries {
        let series = series(name, labels, .seconds) { .histogram(HistogramSeries(bounds: $0.bounds)) }
        return if case .histogram(let found)? = series { found } else { HistogramSeries(bounds: []) }
    }

    /// Nil for a name that is of another kind: what is recorded there is shown nowhere.
    private func series(
        _ name: String,
        _ labels: [(String, String)],
        _ kind: MetricName.Kind,
        _ make: (MetricName.Kind) -> PrometheusSeries
    ) -> PrometheusSeries? {
        let name = PrometheusText.name(name)
        let description = descriptions[name] ?? MetricName(name, kind, "")
        let labels = PrometheusText.labels(labels)
        return families.withLock { families in
            let known = families[name]?.name ?? description
            guard known.kind.word == kind.word else { return nil }
            if let found = families[name]?.series[labels] { return found }
            let made = make(known.kind)
            families[name, default: Family(name: known)].series[labels] = made
            return made
        }
    }

    /// Forgets a series.
    func remove(_ handler: AnyObject) {
        families.withLock { families in
            for (name, family) in families {
                let kept = family.series.filter { $0.value.handler !== handler }
                guard kept.count < family.series.count else { continue }
                families[name]?.series = kept
                if kept.isEmpty { families[name] = nil }
            }
        }
    }
}

extension PrometheusSeries {
    fileprivate var handler: AnyObject {
        switch self {
        case .counter(let series): series
        case .gauge(let series): series
        case .histogram(let series): series
        }
    }
}

extension MetricName.Kind {
    fileprivate var bounds: [Double] {
        if case .histogram(let bounds) = self { bounds } else { [] }
    }
}
