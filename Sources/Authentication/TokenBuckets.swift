import Synchronization

/// Buckets of tokens, one for each name: what limits how often somebody may do something.
///
/// A bucket is full at first and fills at a steady rate. At most `capacity` names are remembered; beyond that the
/// buckets that are full again are forgotten, and if none is, all are: a name that comes back then starts anew.
package final class TokenBuckets<Name: Hashable & Sendable>: Sendable {
    /// How many names are remembered.
    package static var capacity: Int { 10_000 }

    private let perSecond: Double
    private let burst: Double
    /// For each name, the moment at which its bucket is full again.
    private let full: Mutex<[Name: ContinuousClock.Instant]>

    /// `burst` tokens fit into a bucket, 1 or more, and `perSecond`, above 0, come back in each second.
    package init(perSecond: Double, burst: Double) {
        self.perSecond = perSecond
        self.burst = burst
        full = Mutex([:])
    }

    /// Takes a token and returns nil, or takes none and returns how long it is until there is one.
    package func take(for name: Name, at now: ContinuousClock.Instant = .now) -> Duration? {
        full.withLock { full in
            if full.count >= Self.capacity, full[name] == nil { Self.forget(&full, now) }
            let next = max(full[name] ?? now, now) + .seconds(1 / perSecond)
            let wait = next - now - .seconds(burst / perSecond)
            guard wait <= .zero else { return wait }
            full[name] = next
            return nil
        }
    }

    /// How long it is until there is a token; nil when there is one.
    package func wait(for name: Name, at now: ContinuousClock.Instant = .now) -> Duration? {
        full.withLock { full in
            let wait = max(full[name] ?? now, now) + .seconds(1 / perSecond) - now - .seconds(burst / perSecond)
            return wait > .zero ? wait : nil
        }
    }

    private static func forget(_ full: inout [Name: ContinuousClock.Instant], _ now: ContinuousClock.Instant) {
        full = full.filter { $0.value > now }
        if full.count >= capacity { full = [:] }
    }
}

extension Duration {
    /// For the header `retry-after`: whole seconds, rounded up, 1 at least.
    package var retryAfterSeconds: Int {
        max(1, Int(components.seconds) + (components.attoseconds > 0 ? 1 : 0))
    }
}
