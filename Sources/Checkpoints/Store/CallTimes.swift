import Synchronization

/// Where the time of one call went: bound around the call, and filled in by the store that it comes to.
///
/// Works for a caller without a task too. A store reads `current` when it is asked, on the caller's thread, and adds to it
/// from its own threads, at the latest before it answers.
package final class CallTimes: Sendable {
    /// Those of the call that is being made; nil when nobody wants to know.
    @TaskLocal package static var current: CallTimes?

    /// A part of a call.
    package enum Step: String, CaseIterable, Sendable {
        /// From the request's head to the end of its body.
        case receive
        /// Waiting for the store: for the writer, or for one of the readers.
        case queue
        /// Applying the transaction that the change was in, those of others among it.
        case apply
        /// Making that transaction durable; over PostgreSQL all of it.
        case commit
        /// Being answered by a reader.
        case read
    }

    /// When a part began first, and what all its times come to.
    package struct Time: Hashable, Sendable {
        package let start: MonotonicTime
        package fileprivate(set) var nanoseconds: Int64

        package var duration: Duration { .nanoseconds(nanoseconds) }
    }

    /// One place for each part: to note a time allocates nothing.
    private struct Times {
        var receive: Time?
        var queue: Time?
        var apply: Time?
        var commit: Time?
        var read: Time?

        subscript(step: Step) -> Time? {
            get {
                switch step {
                case .receive: receive
                case .queue: queue
                case .apply: apply
                case .commit: commit
                case .read: read
                }
            }
            set {
                switch step {
                case .receive: receive = newValue
                case .queue: queue = newValue
                case .apply: apply = newValue
                case .commit: commit = newValue
                case .read: read = newValue
                }
            }
        }
    }

    private let times = Mutex(Times())

    package init() {}

    /// Adds to a part; a call may come to the store more than once.
    package func add(_ step: Step, from start: MonotonicTime, to end: MonotonicTime) {
        let nanoseconds = end.nanoseconds(since: start)
        times.withLock { times in
            var time = times[step] ?? Time(start: start, nanoseconds: 0)
            time.nanoseconds += nanoseconds
            times[step] = time
        }
    }

    /// Nil for a part that the call did not have.
    package subscript(step: Step) -> Time? {
        times.withLock { $0[step] }
    }
}
