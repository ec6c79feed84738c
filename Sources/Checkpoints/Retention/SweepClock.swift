import Synchronization

/// Tells whether the clock that ages are counted by was set between two sweeps.
///
/// It is compared with a clock that nobody can set, which counts while the machine sleeps too.
package final class SweepClock: Sendable {
    /// What was seen of the clock.
    package enum Look: Hashable, Sendable {
        case first
        /// It went on as it should.
        case steady
        /// It was set by so much.
        case set(Duration)
    }

    /// How much more or less than the other clock it may have moved.
    private static let tolerance = Duration.seconds(60)
    private let last = Mutex<(wall: WallTime, other: ContinuousClock.Instant)?>(nil)

    package init() {}

    /// Compares with the last look, and is the last look of the next one.
    package func look(at time: WallTime) -> Look {
        let now = (wall: time, other: ContinuousClock.now)
        guard
            let before = last.withLock({ last in
                defer { last = now }
                return last
            })
        else { return .first }
        let difference = now.wall.since(before.wall) - (now.other - before.other)
        let isSteady = (Duration.zero - Self.tolerance...Self.tolerance).contains(difference)
        return isSteady ? .steady : .set(difference)
    }
}
