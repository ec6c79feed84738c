import Checkpoints
import Observability
import Synchronization
import TestSupport
import Testing

@Suite("The store's gauges", .timeLimit(.minutes(5)))
struct StoreGaugesTests {
    /// Answers what it is told to, or when it is told to.
    private final class Store: StoreMaintenance {
        struct State {
            var isDown = false
            var isSilent = false
            var waiting: [@Sendable () -> Void] = []
            var sizeCount = 0
            var threadCount = 0
        }

        let state = Mutex(State())

        var load: StoreLoad {
            StoreLoad(logBytes: 5, diskFreeBytes: 6, lanes: [.init(name: "reader", open: 2, busy: 1)])
        }

        func measure(then answer: @escaping @Sendable (Result<StoreSizes, StoreError>) -> Void) {
            state.withLock { $0.sizeCount += 1 }
            reply { answer($0.map { StoreSizes(bytes: 100, freeBytes: 10) }) }
        }

        func countThreads(then answer: @escaping @Sendable (Result<Int?, StoreError>) -> Void) {
            state.withLock { $0.threadCount += 1 }
            reply { answer($0.map { 7 }) }
        }

        private func reply(_ answer: @escaping @Sendable (Result<Void, StoreError>) -> Void) {
            let isDown = state.withLock { $0.isDown }
            let reply: @Sendable () -> Void = {
                answer(isDown ? .failure(StoreError(.unavailable, during: "ask")) : .success(()))
            }
            let isSilent = state.withLock { state in
                if state.isSilent { state.waiting.append(reply) }
                return state.isSilent
            }
            if !isSilent { reply() }
        }

        func probe() async throws(StoreError) {}
        func verify(
            _ report: @escaping @Sendable (VerifyProgress) -> Void
        ) async throws(StoreError) -> StoreVerification {
            throw StoreError(.unexpected, during: "verify")
        }
        func close() async {}
    }

    private final class Clock: Sendable {
        private let time = Mutex(ContinuousClock.now)
        var now: ContinuousClock.Instant { time.withLock { $0 } }
        func advance(_ duration: Duration) { time.withLock { $0 += duration } }
    }

    private let registry = PrometheusRegistry()
    private let store = Store()
    private let clock = Clock()

    private func gauges(limit: Duration = .seconds(30)) -> StoreGauges {
        StoreGauges(store, PrometheusFactory(registry), limit: limit) { [clock] in clock.now }
    }

    private func value(_ series: String) -> String? {
        let line = PrometheusText.page(registry).split(separator: "\n").first { $0.hasPrefix(series + " ") }
        return line.map { String($0.dropFirst(series.utf8.count + 1)) }
    }

    @Test("A store that answers is shown")
    func shown() async {
        await gauges().look()
        #expect(value("milepost_store_up") == "1")
        #expect(value("milepost_store_size_bytes") == "100")
        #expect(value("milepost_store_free_bytes") == "10")
        #expect(value("milepost_store_threads") == "7")
        #expect(value("milepost_store_wal_bytes") == "5")
        #expect(value("milepost_store_disk_available_bytes") == "6")
        #expect(value(#"milepost_store_connections{lane="reader",state="open"}"#) == "2")
        #expect(value(#"milepost_store_connections{lane="reader",state="busy"}"#) == "1")
    }

    @Test("Sizes are asked for every ten seconds at most, threads every sixty")
    func ages() async {
        let gauges = gauges()
        for (seconds, sizes, threads) in [(0, 1, 1), (9, 1, 1), (1, 2, 1), (49, 3, 1), (1, 3, 2)] {
            clock.advance(.seconds(seconds))
            await gauges.look()
            let counts = store.state.withLock { ($0.sizeCount, $0.threadCount) }
            #expect(counts == (sizes, threads))
        }
    }

    @Test("A store that fails is down, is asked again at once, and keeps what was known of it")
    func down() async {
        let gauges = gauges()
        await gauges.look()
        store.state.withLock { $0.isDown = true }
        clock.advance(.seconds(10))
        await gauges.look()
        #expect(value("milepost_store_up") == "0")
        #expect(value("milepost_store_size_bytes") == "100")
        store.state.withLock { $0.isDown = false }
        await gauges.look()
        #expect(value("milepost_store_up") == "1")
    }

    @Test("Who looks while the store is being asked waits for the same answer")
    func together() async throws {
        let gauges = gauges()
        store.state.withLock { $0.isSilent = true }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<5 { group.addTask { await gauges.look() } }
            group.addTask { [store] in
                try await eventually { store.state.withLock { $0.waiting.count } >= 2 }
                let waiting = store.state.withLock { state in
                    state.isSilent = false
                    return state.waiting
                }
                for answer in waiting { answer() }
            }
            try await group.waitForAll()
        }
        #expect(store.state.withLock { ($0.sizeCount, $0.threadCount) } == (1, 1))
        #expect(value("milepost_store_up") == "1")
    }

    @Test("A store that does not answer holds up nobody, is asked once, and is up again when it answers")
    func silent() async {
        let gauges = gauges(limit: .milliseconds(20))
        store.state.withLock { $0.isSilent = true }
        await gauges.look()
        #expect(value("milepost_store_up") == "0")
        await gauges.look()
        #expect(store.state.withLock { $0.sizeCount } == 1)
        #expect(value("milepost_store_up") == "0")
        let waiting = store.state.withLock { state in
            state.isSilent = false
            return state.waiting
        }
        for answer in waiting { answer() }
        await gauges.look()
        #expect(value("milepost_store_up") == "1")
        #expect(value("milepost_store_threads") == "7")
    }
}
