import Metrics
import Synchronization

/// One line, or one histogram, of the page: a name, its labels and a value that any thread may change without a lock.
enum PrometheusSeries: Sendable {
    case counter(CounterSeries)
    case gauge(GaugeSeries)
    case histogram(HistogramSeries)
}

/// A number with a fraction, as bits that can be changed at once.
final class AtomicNumber: Sendable {
    private let bits = Atomic(Double(0).bitPattern)

    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    func set(_ value: Double) {
        bits.store(value.bitPattern, ordering: .relaxed)
    }

    /// It guards no other memory, so no ordering is needed.
    func add(_ amount: Double) {
        var seen = bits.load(ordering: .relaxed)
        while true {
            let sum = (Double(bitPattern: seen) + amount).bitPattern
            let (isDone, found) = bits.weakCompareExchange(expected: seen, desired: sum, ordering: .relaxed)
            if isDone { return }
            seen = found
        }
    }
}

/// Something that is counted; what would make it smaller is ignored.
final class CounterSeries: CounterHandler, FloatingPointCounterHandler {
    private let whole = Atomic(0)
    private let fraction = AtomicNumber()

    var value: Double { Double(whole.load(ordering: .relaxed)) + fraction.value }

    func increment(by amount: Int64) {
        if amount > 0 { whole.wrappingAdd(Int(amount), ordering: .relaxed) }
    }

    func increment(by amount: Double) {
        if amount > 0, amount.isFinite { fraction.add(amount) }
    }

    /// A counter only grows: Prometheus takes a smaller value for a process that has started anew.
    func reset() {}
}

/// Something that goes up and down.
final class GaugeSeries: MeterHandler, RecorderHandler {
    private let number = AtomicNumber()

    var value: Double { number.value }

    func set(_ value: Int64) { number.set(Double(value)) }
    func set(_ value: Double) { number.set(value) }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }
    func record(_ value: Int64) { number.set(Double(value)) }
    func record(_ value: Double) { number.set(value) }
}

/// How many values were no more than each bound, and what all come to.
final class HistogramSeries: RecorderHandler, TimerHandler {
    private final class Count: Sendable {
        let value = Atomic(0)
    }

    let bounds: [Double]
    /// One for each bound, and one for what is beyond them.
    private let counts: [Count]
    private let total = AtomicNumber()

    init(bounds: [Double]) {
        self.bounds = bounds
        counts = (0...bounds.count).map { _ in Count() }
    }

    /// For each bound, and for all: how many were no more.
    var cumulativeCounts: [Int] {
        var count = 0
        return counts.map {
            count += $0.value.load(ordering: .relaxed)
            return count
        }
    }

    var sum: Double { total.value }

    func record(_ value: Double) {
        // What is no number is in no bucket.
        guard value.isFinite else { return }
        var place = 0
        while place < bounds.count, bounds[place] < value { place += 1 }
        counts[place].value.wrappingAdd(1, ordering: .relaxed)
        total.add(value)
    }

    func record(_ value: Int64) {
        record(Double(value))
    }

    func recordNanoseconds(_ duration: Int64) {
        record(Double(duration) / 1e9)
    }
}
