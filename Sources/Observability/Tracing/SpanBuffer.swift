import NIOCore
import Synchronization

/// Keeps the spans that wait to be sent: so many at most, and of those that do not fit only the number.
package final class SpanBuffer: Sendable {
    private struct State {
        var spans = CircularBuffer<FinishedSpan>()
        var dropped = 0
        var wake: (@Sendable () -> Void)?
    }

    /// Spans that are sent at once.
    package static let batch = 512

    private let capacity: Int
    private let state = Mutex(State())

    /// 8192 spans take some MiB.
    package init(capacity: Int = 8_192) {
        self.capacity = capacity
    }

    /// How many were lost so far.
    package var dropped: Int { state.withLock { $0.dropped } }

    package var count: Int { state.withLock { $0.spans.count } }

    /// Never waits for anything but the few who do the same; the newest is dropped when there is no room.
    package func add(_ span: FinishedSpan) {
        let wake = state.withLock { state -> (@Sendable () -> Void)? in
            guard state.spans.count < capacity else {
                state.dropped += 1
                return nil
            }
            state.spans.append(span)
            return state.spans.count % Self.batch == 0 ? state.wake : nil
        }
        wake?()
    }

    /// Calls the closure whenever a batch is full, and in `flush()`.
    func onFull(_ wake: (@Sendable () -> Void)?) {
        state.withLock { $0.wake = wake }
    }

    /// Has what is there sent soon.
    package func flush() {
        state.withLock { $0.wake }?()
    }

    /// Takes the oldest, a batch at most; nil when there are none.
    func take() -> [FinishedSpan]? {
        state.withLock { state in
            guard !state.spans.isEmpty else { return nil }
            let batch = Array(state.spans.prefix(Self.batch))
            state.spans.removeFirst(batch.count)
            return batch
        }
    }

    /// Takes back what was taken and not sent; the newest give way when there is no room.
    func putBack(_ batch: [FinishedSpan]) {
        state.withLock { state in
            for span in batch.reversed() { state.spans.prepend(span) }
            let surplus = max(0, state.spans.count - capacity)
            state.spans.removeLast(surplus)
            state.dropped += surplus
        }
    }

    /// Counts spans that were taken and are given up.
    func drop(_ count: Int) {
        state.withLock { $0.dropped += count }
    }
}
