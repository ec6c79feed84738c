/// Stops asking somebody who does not answer, for a while.
///
/// After five failures in a row nobody may ask for five seconds; then one call is let through, and its outcome decides.
struct CircuitBreaker: Sendable {
    typealias Instant = ContinuousClock.Instant

    enum Outcome: Sendable {
        case success
        case failure
        /// Nothing was learnt.
        case neither
    }

    /// Names the time in which a call was let through: what it brings counts in that time alone.
    struct Ticket: Sendable {
        fileprivate let period: Int
    }

    private enum State {
        case closed(failures: Int)
        case open(until: Instant)
        /// One call is under way.
        case trying
    }

    static let failures = 5
    static let pause = Duration.seconds(5)

    private var state = State.closed(failures: 0)
    private var period = 0

    /// Lets a call through, or returns nil.
    ///
    /// Whoever gets a ticket must `record` with it.
    mutating func admit(at now: Instant) -> Ticket? {
        switch state {
        case .closed:
            return Ticket(period: period)
        case .open(let end) where now >= end:
            state = .trying
            return Ticket(period: period)
        case .open, .trying:
            return nil
        }
    }

    mutating func record(_ outcome: Outcome, of ticket: Ticket, at now: Instant) {
        guard ticket.period == period else { return }
        switch (state, outcome) {
        case (.closed(let failures), .failure) where failures + 1 < Self.failures:
            state = .closed(failures: failures + 1)
        case (.closed, .failure), (.trying, .failure):
            state = .open(until: now + Self.pause)
            period += 1
        case (.closed, .success), (.trying, .success):
            state = .closed(failures: 0)
        case (.trying, .neither):
            state = .open(until: now)
        case (.closed, .neither), (.open, _):
            break
        }
    }
}
