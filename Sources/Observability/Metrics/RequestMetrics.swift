package import Metrics
import Synchronization

/// Requests by call and status, and how long they took.
///
/// The handles of a call are made once; a request costs an addition in each.
package final class RequestMetrics: Sendable {
    private final class Call: Sendable {
        let name: String
        let duration: Timer
        /// A call has a handful of statuses: looking through them is quicker than a table.
        let counters = Mutex<[(status: Int, counter: Counter)]>([])

        init(_ name: String, _ factory: any MetricsFactory) {
            self.name = name
            duration = Timer(MetricNames.requestDuration, factory, [("call", name)])
        }
    }

    private let calls: [Call]
    private let slow: Counter
    private let factory: any MetricsFactory

    /// `calls` are their names, none twice: a request names its own by its place.
    package init(calls: [String], _ factory: any MetricsFactory) {
        self.calls = calls.map { Call($0, factory) }
        self.factory = factory
        slow = Counter(MetricNames.slowCalls, factory)
    }

    /// Counts a request of the call at that place, and its nanoseconds.
    package func answered(_ call: Int, status: Int, after nanoseconds: Int64) {
        let call = calls[call]
        call.duration.recordNanoseconds(nanoseconds)
        let counter = call.counters.withLock { counters in
            for known in counters where known.status == status { return known.counter }
            let counter = Counter(
                MetricNames.requestsTotal, factory, [("call", call.name), ("status", String(status))])
            counters.append((status, counter))
            return counter
        }
        counter.increment()
    }

    /// Counts a request that was logged for the time it took.
    package func wasSlow() {
        slow.increment()
    }
}

extension Duration {
    /// Whole nanoseconds; as many as there can be for what is longer than 292 years.
    package var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, isOver) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return isOver ? .max : product &+ attoseconds / 1_000_000_000
    }
}
