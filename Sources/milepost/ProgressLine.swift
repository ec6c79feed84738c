import Synchronization

/// Tells whoever waits for a command how far it is, on standard error.
///
/// A bar on a terminal where it is known how much there is, a counter where it is not; elsewhere a line now and then.
final class ProgressLine: Sendable {
    enum Style: Sendable {
        /// One line that is drawn again, for a terminal.
        case redrawn
        /// A line now and then, for a file; none for what ends sooner.
        case lines
        case none

        /// What standard error takes; nothing for a program that reads JSON there and no person.
        static func standardError(json: Bool = false) -> Style {
            Terminal.standardError.isRedrawable ? .redrawn : json ? .none : .lines
        }

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
        /// When the part that is done was told first, and how much that was: what went on before is no measure.
        var first: (instant: ContinuousClock.Instant, fraction: Double)?
    }

    private let style: Style
    private let state: Mutex<State>

    init(_ style: Style) {
        self.style = style
        let now = ContinuousClock.now
        state = Mutex(State(next: style == .redrawn ? now : now + style.interval))
    }

    /// Whether it is worth finding out how much there is: on a terminal, where a bar is drawn.
    var isDrawn: Bool { style == .redrawn }

    /// Shows `text` when the last one has stood long enough; may be called at any rate.
    ///
    /// The bar stands there as soon as it is known how much there is: what ends soon after has shown one too.
    /// `fraction` is the part of all that is done, 0 to 1; nil while it is not known.
    func show(_ text: @autoclosure () -> String, fraction: Double? = nil) {
        state.withLock { state in
            let now = ContinuousClock.now
            guard style != .none else { return }
            var isDue = now >= state.next
            if let fraction, state.first == nil {
                state.first = (now, fraction)
                isDue = isDue || style == .redrawn
            }
            guard isDue else { return }
            state.next = now + style.interval
            let progress = Progress(text: text(), fraction: fraction, remaining: remaining(state, fraction, now))
            if style == .redrawn {
                Output.redraw(progress.drawn(on: .standardError))
                state.isDrawn = true
            } else {
                Output.note(progress.line)
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

    /// At the pace so far; nil while that says nothing.
    private func remaining(_ state: State, _ fraction: Double?, _ now: ContinuousClock.Instant) -> Duration? {
        guard let fraction, let first = state.first, fraction > first.fraction, fraction < 1 else { return nil }
        let elapsed = now - first.instant
        guard elapsed > .seconds(1) else { return nil }
        return elapsed * ((1 - fraction) / (fraction - first.fraction))
    }
}

/// How far something is, and how that is put.
struct Progress {
    /// Cells of a bar, without its ends: what is usual, and the least that shows anything.
    private static let barCells = 6...20
    /// The longest line: what fits a terminal of the usual width.
    private static let widest = 80

    let text: String
    /// Nil while it is not known how much there is.
    var fraction: Double?
    var remaining: Duration?

    /// For a file: `42 %  1,234 threads  3:20 left`.
    var line: String {
        ([percent, text, rest] as [String?]).compactMap(\.self).joined(separator: "  ")
    }

    /// For a terminal: the same with a bar before it, in one line of it.
    func drawn(on terminal: Terminal) -> String {
        // The last column stays free: some terminals go to the next line there.
        let width = min(terminal.width ?? Self.widest, Self.widest) - 1
        // Two ends, and a blank after them.
        let room = width - TerminalText.width(line) - 3
        // Without room for both, the words say more than the bar.
        guard let fraction, room >= Self.barCells.lowerBound else { return TerminalText.cut(line, to: width) }
        return Self.bar(fraction, cells: min(room, Self.barCells.upperBound), isUnicode: terminal.isUnicode) + " "
            + line
    }

    static func bar(_ fraction: Double, cells: Int, isUnicode: Bool) -> String {
        let part = min(max(fraction, 0), 1)
        guard isUnicode else {
            let full = Int(part * Double(cells))
            return "[" + String(repeating: "#", count: full) + String(repeating: ".", count: cells - full) + "]"
        }
        let eighths = Int(part * Double(cells * 8))
        let partial = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
        let bar = String(repeating: "█", count: eighths / 8) + partial
        return "▕" + bar + String(repeating: " ", count: cells - (eighths + 7) / 8) + "▏"
    }

    private var percent: String? {
        guard let fraction else { return nil }
        let number = String(Int(min(max(fraction, 0), 1) * 100))
        return String(repeating: " ", count: 3 - number.count) + number + " %"
    }

    private var rest: String? {
        guard let remaining else { return nil }
        let seconds = Int(remaining.components.seconds)
        // Nobody waits by the second for days.
        guard seconds < 360_000 else { return nil }
        func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60)
        let time = hours > 0 ? "\(hours):\(two(minutes)):\(two(seconds % 60))" : "\(minutes):\(two(seconds % 60))"
        return "\(time) left"
    }
}
