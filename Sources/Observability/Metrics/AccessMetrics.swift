package import Metrics

/// Who was not let in, by kind: no names, and nothing of what was sent.
package struct AccessMetrics: Sendable {
    private let factory: any MetricsFactory
    private let denials: Counter
    private let evictions: [String: FollowedCounter]

    /// The caches of who callers are.
    package enum Cache: String, CaseIterable, Sendable {
        case principals
        case tokens
    }

    package init(_ factory: any MetricsFactory) {
        self.factory = factory
        denials = Counter(MetricNames.accessDenials, factory)
        let caches = Cache.allCases.map { cache in
            (cache.rawValue, FollowedCounter(Counter(MetricNames.evictions, factory, [("cache", cache.rawValue)])))
        }
        evictions = Dictionary(uniqueKeysWithValues: caches)
        // So that the first failure is seen as a change.
        _ = failures("none", "missing")
    }

    /// A credential was missing or not accepted; both are words of a short list.
    package func failed(mode: String, reason: String) {
        failures(mode, reason).increment()
    }

    /// A known caller wanted what it may not.
    package func denied() {
        denials.increment()
    }

    /// So many entries went from the cache so far, to make room.
    package func evicted(_ total: Int, from cache: Cache) {
        evictions[cache.rawValue]?.follow(total)
    }

    private func failures(_ mode: String, _ reason: String) -> Counter {
        Counter(MetricNames.authenticationFailures, factory, [("mode", mode), ("reason", reason)])
    }
}
