import Glibc

/// A moment since the machine started, to the nanosecond: for what is measured in every request.
///
/// `ContinuousClock` would do, but its instants are opaque to the compiler: to pass one on costs a hundred instructions.
package struct MonotonicTime: Hashable, Comparable, Sendable {
    package let nanoseconds: Int64

    package init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    package static var now: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec))
    }

    /// How many nanoseconds it is from an earlier moment to this one.
    package func nanoseconds(since earlier: MonotonicTime) -> Int64 {
        nanoseconds &- earlier.nanoseconds
    }

    package static func < (one: MonotonicTime, other: MonotonicTime) -> Bool {
        one.nanoseconds < other.nanoseconds
    }

    package static func - (later: MonotonicTime, earlier: MonotonicTime) -> Duration {
        .nanoseconds(later.nanoseconds(since: earlier))
    }
}
