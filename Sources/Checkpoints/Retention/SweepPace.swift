import Synchronization

/// How much a sweep does at once, and how long it then leaves the store to others.
///
/// A portion is what one transaction takes away. Its size follows from how long the last ones took.
package final class SweepPace: Sendable {
    /// What a portion should take.
    package static let aim = Duration.milliseconds(20)
    /// What none is planned to take.
    package static let longest = Duration.milliseconds(50)
    private struct State {
        var size: Int
        let largest: Int
        /// What one unit took at most, lately.
        var unit: Duration = .zero
        var slowest: Duration = .zero

        /// A slow portion counts at once, a quick one by and by.
        mutating func take(size done: Int, took: Duration) {
            let latest = took / done
            slowest = max(slowest, took)
            unit = latest > unit ? latest : unit * 0.75 + latest * 0.25
            let possible = unit > .zero ? Int(SweepPace.aim / unit) : size * 2
            size = min(max(min(possible, max(size, done) * 2), 1), largest)
        }
    }

    private let state: Mutex<State>
    private let isResting: Bool
    private let afterPortion: @Sendable () async -> Bool

    /// `size` is the first portion's, in rows and pages of 4 KiB, and `largest` what none has more than.
    ///
    /// `isResting`: whether a pause follows each portion that is as long as it was. `afterPortion` is called between two
    /// portions, and says whether to go on.
    package init(
        size: Int = 32,
        largest: Int = 8_192,
        isResting: Bool = true,
        afterPortion: @escaping @Sendable () async -> Bool = { true }
    ) {
        state = Mutex(State(size: size, largest: largest))
        self.isResting = isResting
        self.afterPortion = afterPortion
    }

    /// What the next portion may come to.
    package var size: Int { state.withLock { $0.size } }

    /// What the slowest portion so far took.
    package var slowest: Duration { state.withLock { $0.slowest } }

    /// Takes note of a portion, and rests; whether to go on.
    package func finished(size: Int, took: Duration) async -> Bool {
        state.withLock { $0.take(size: max(size, 1), took: took) }
        // Who is cancelled meanwhile learns it below.
        if isResting { try? await Task.sleep(for: max(took, .milliseconds(1))) }
        let goesOn = await afterPortion()
        return goesOn && !Task.isCancelled
    }
}
