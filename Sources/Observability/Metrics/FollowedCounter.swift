import Metrics
import Synchronization

/// A counter of something that is counted elsewhere, and looked at now and then.
final class FollowedCounter: Sendable {
    private let counter: Counter
    private let last = Mutex(0)

    init(_ counter: Counter) {
        self.counter = counter
    }

    /// Less than before is the count of something that began anew.
    func follow(_ total: Int) {
        let news = last.withLock { last in
            defer { last = total }
            return total < last ? total : total - last
        }
        if news > 0 { counter.increment(by: news) }
    }
}
