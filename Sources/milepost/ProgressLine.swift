import Synchronization

/// Tells whoever waits for a command how far it is, on standard error.
final class ProgressLine: Sendable {
    enum Style: Sendable {
        /// One line that is drawn again, for a terminal.
        case redrawn
        /// A line now and then, for a file; none for what ends sooner.
        case lines
        case none

        /// The least time between two.
        var interval: Duration {
            switch self {
            case .redrawn: .milliseconds(100)
            case .lines, .none: .seconds(5)
            }
        }
    }

    private struct State {
        var next: ContinuousClock.Instant
        var isDrawn = false
    }

    private let style: Style
    private let state: Mutex<State>

    init(_ style: Style) {
        self.style = style
        let now = ContinuousClock.now
        state = Mutex(State(next: style == .redrawn ? now : now + style.interval))
    }

    /// Shows `text` when the last one has stood long enough; may be called at any rate.
    func show(_ text: @autoclosure () -> String) {
        state.withLock { state in
            let now = ContinuousClock.now
            guard style != .none, now >= state.next else { return }
            state.next = now + style.interval
            if style == .redrawn {
                Output.redraw(text())
                state.isDrawn = true
            } else {
                Output.note(text())
            }
        }
    }

    /// Leaves no drawn line behind.
    func end() {
        state.withLock { state in
            if state.isDrawn { Output.redraw("") }
            state.isDrawn = false
        }
    }
}
