package import Checkpoints
import Dispatch
package import Metrics
import Synchronization

/// How large the store is, how many threads it has, and whether it answers; looked at when somebody asks.
///
/// A look never takes longer than its limit: a store that does not answer in time is down, and what was known of it
/// stays.
package final class StoreGauges: Sendable {
    /// How old a size, and a number of threads, may be.
    private static let sizeAge = Duration.seconds(10)
    private static let threadsAge = Duration.seconds(60)

    private let store: any StoreMaintenance
    private let factory: any MetricsFactory
    private let limit: Duration
    private let now: @Sendable () -> ContinuousClock.Instant
    private let up: Meter
    private let state = Mutex(State())
    private let timer = DispatchQueue(label: "milepost.metrics.limit")

    private struct State {
        var size = Question()
        var threads = Question()
        var isUp = false
    }

    /// Something that is asked now and then; whoever wants to know meanwhile waits for the same answer.
    private struct Question {
        /// When it is to be asked again; nil for at once.
        var next: ContinuousClock.Instant?
        /// When it was asked, if it is not answered.
        var asked: ContinuousClock.Instant?
        var waiting: [Wait] = []

        /// Whether there is something to wait for, and whether it has to be asked first.
        mutating func join(_ wait: Wait, at time: ContinuousClock.Instant) -> (waits: Bool, asks: Bool) {
            let asks = asked == nil && next.map { $0 <= time } ?? true
            if asks { asked = time }
            guard asked != nil else { return (false, false) }
            waiting.append(wait)
            return (true, asks)
        }

        /// Returns who waited.
        mutating func answered(next: ContinuousClock.Instant?) -> [Wait] {
            if let next { self.next = next }
            asked = nil
            defer { waiting = [] }
            return waiting
        }
    }

    package init(
        _ store: any StoreMaintenance,
        _ factory: any MetricsFactory,
        limit: Duration = .seconds(1),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.store = store
        self.factory = factory
        self.limit = limit
        self.now = now
        up = Meter(MetricNames.storeUp, factory)
    }

    package func look() async {
        show(store.load)
        await withCheckedContinuation { continuation in
            let wait = Wait(continuation)
            let time = now()
            let (size, threads) = state.withLock { state in
                let joined = (state.size.join(wait, at: time), state.threads.join(wait, at: time))
                wait.expect((joined.0.waits ? 1 : 0) + (joined.1.waits ? 1 : 0))
                return joined
            }
            timer.asyncAfter(deadline: .now() + .nanoseconds(Int(limit.nanoseconds))) { [self] in
                if wait.end() { giveUp(wait) }
            }
            if size.asks { askSize() }
            if threads.asks { askThreads() }
        }
        up.set(state.withLock { $0.isUp } ? 1 : 0)
    }

    private func askSize() {
        store.measure { [self] result in
            if case .success(let sizes) = result { show(sizes) }
            let waiting = state.withLock { state in
                guard case .success = result else {
                    state.isUp = false
                    return state.size.answered(next: nil)
                }
                state.isUp = true
                return state.size.answered(next: now() + Self.sizeAge)
            }
            for wait in waiting { wait.answered() }
        }
    }

    private func askThreads() {
        store.countThreads { [self] result in
            if case .success(let count?) = result { Meter(MetricNames.threads, factory).set(count) }
            let waiting = state.withLock { state in
                guard case .success = result else { return state.threads.answered(next: nil) }
                return state.threads.answered(next: now() + Self.threadsAge)
            }
            for wait in waiting { wait.answered() }
        }
    }

    /// Somebody has waited as long as it may.
    private func giveUp(_ wait: Wait) {
        state.withLock { state in
            if state.size.waiting.contains(where: { $0 === wait }) { state.isUp = false }
            state.size.waiting.removeAll { $0 === wait }
            state.threads.waiting.removeAll { $0 === wait }
        }
        wait.resume()
    }

    /// Somebody who waits for answers, until the last has come or the limit is reached.
    private final class Wait: Sendable {
        private struct State {
            var missing = 0
            var isOver = false
        }

        private let state = Mutex(State())
        private let continuation: CheckedContinuation<Void, Never>

        init(_ continuation: CheckedContinuation<Void, Never>) {
            self.continuation = continuation
        }

        /// Called before anything is asked.
        func expect(_ count: Int) {
            state.withLock { $0.missing = count }
            if count == 0, end() { resume() }
        }

        func answered() {
            let isLast = state.withLock { state in
                state.missing -= 1
                return state.missing == 0
            }
            if isLast, end() { resume() }
        }

        /// Whether it was not over before; then the caller resumes it.
        func end() -> Bool {
            state.withLock { state in
                defer { state.isOver = true }
                return !state.isOver
            }
        }

        func resume() {
            continuation.resume()
        }
    }

    // What a store cannot say has no series.

    private func show(_ load: StoreLoad) {
        if let bytes = load.logBytes { Meter(MetricNames.logBytes, factory).set(bytes) }
        if let bytes = load.diskFreeBytes { Meter(MetricNames.diskFreeBytes, factory).set(bytes) }
        for lane in load.lanes {
            for (state, count) in [("open", lane.open), ("busy", lane.busy)] {
                Meter(MetricNames.storeConnections, factory, [("lane", lane.name), ("state", state)]).set(count)
            }
        }
    }

    private func show(_ sizes: StoreSizes) {
        if let bytes = sizes.bytes { Meter(MetricNames.fileBytes, factory).set(bytes) }
        if let bytes = sizes.freeBytes { Meter(MetricNames.freeBytes, factory).set(bytes) }
    }
}
