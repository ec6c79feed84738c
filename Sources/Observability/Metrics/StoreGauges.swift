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
        /// When each is to be asked for again; nil for at once.
        var nextSize: ContinuousClock.Instant?
        var nextThreads: ContinuousClock.Instant?
        /// What was asked for and is not answered.
        var isSizeAsked = false
        var isThreadsAsked = false
        var isUp = false
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
        let (asksSize, asksThreads) = state.withLock { state in
            let time = now()
            let size = !state.isSizeAsked && state.nextSize.map { $0 <= time } ?? true
            let threads = !state.isThreadsAsked && state.nextThreads.map { $0 <= time } ?? true
            // One that was asked before and has not answered by now had its time.
            if state.isSizeAsked { state.isUp = false }
            state.isSizeAsked = state.isSizeAsked || size
            state.isThreadsAsked = state.isThreadsAsked || threads
            return (size, threads)
        }
        await withinLimit((asksSize ? 1 : 0) + (asksThreads ? 1 : 0)) { [self] done in
            if asksSize { askSize(then: done) }
            if asksThreads { askThreads(then: done) }
        }
        let isUp = state.withLock { state in
            if asksSize, state.isSizeAsked { state.isUp = false }
            return state.isUp
        }
        up.set(isUp ? 1 : 0)
    }

    private func askSize(then done: @escaping @Sendable () -> Void) {
        store.measure { [self] result in
            if case .success(let sizes) = result { show(sizes) }
            state.withLock { state in
                state.isSizeAsked = false
                if case .success = result {
                    state.isUp = true
                    state.nextSize = now() + Self.sizeAge
                } else {
                    state.isUp = false
                }
            }
            done()
        }
    }

    private func askThreads(then done: @escaping @Sendable () -> Void) {
        store.countThreads { [self] result in
            if case .success(let count?) = result { Meter(MetricNames.threads, factory).set(count) }
            state.withLock { state in
                state.isThreadsAsked = false
                if case .success = result { state.nextThreads = now() + Self.threadsAge }
            }
            done()
        }
    }

    /// Returns once `count` answers have come, or at the limit.
    private func withinLimit(_ count: Int, _ ask: (@escaping @Sendable () -> Void) -> Void) async {
        guard count > 0 else { return }
        await withCheckedContinuation { continuation in
            let wait = Wait(count, continuation)
            timer.asyncAfter(deadline: .now() + .nanoseconds(Int(limit.nanoseconds))) { wait.end() }
            ask { wait.answered() }
        }
    }

    private final class Wait: Sendable {
        private let state: Mutex<(missing: Int, continuation: CheckedContinuation<Void, Never>?)>

        init(_ count: Int, _ continuation: CheckedContinuation<Void, Never>) {
            state = Mutex((count, continuation))
        }

        func answered() {
            let isLast = state.withLock { state in
                state.missing -= 1
                return state.missing == 0
            }
            if isLast { end() }
        }

        func end() {
            let continuation = state.withLock { state in
                defer { state.continuation = nil }
                return state.continuation
            }
            continuation?.resume()
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
