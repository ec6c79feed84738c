@preconcurrency import Dispatch
import Glibc
import Synchronization

/// What Ctrl-C (SIGINT) and SIGTERM do to a command that takes long.
///
/// Files that are not finished are removed, a sentence says what is there now, and the process ends by the signal
/// itself, which a shell shows as 130 or 143. Whatever else a command has begun must be safe to leave.
final class Interruption: Sendable {
    private struct State {
        var unfinished: Set<String> = []
        var sentence: String
        var isOver = false
    }

    private static let signals = [SIGINT, SIGTERM]

    private let state: Mutex<State>
    private let line: ProgressLine
    private let sources: [any DispatchSourceSignal]

    /// In force until `end()`; `sentence` is what the operator is told, after "interrupted: ".
    init(_ line: ProgressLine, _ sentence: String) {
        self.line = line
        state = Mutex(State(sentence: sentence))
        sources = Self.signals.map { DispatchSource.makeSignalSource(signal: $0) }
        for (source, number) in zip(sources, Self.signals) {
            source.setEventHandler { [weak self] in self?.interrupted(by: number) }
            source.activate()
        }
    }

    /// From now on the file is removed when a signal comes; it need not be there yet.
    func begin(_ path: String) {
        state.withLock { _ = $0.unfinished.insert(path) }
    }

    /// Runs what finishes the file, such as giving it its name; a signal comes before that or after it, not between.
    ///
    /// `sentence` is what is told from then on.
    func finish(_ path: String, _ sentence: String, _ body: () throws -> Void) rethrows {
        try state.withLock { state in
            try body()
            state.unfinished.remove(path)
            state.sentence = sentence
        }
    }

    /// Removes what is not finished, and lets signals end the process as they would without this.
    func end() {
        state.withLock { state in
            guard !state.isOver else { return }
            state.isOver = true
            for path in state.unfinished { unlink(path) }
            for source in sources { source.cancel() }
            for number in Self.signals { signal(number, SIG_DFL) }
        }
    }

    private func interrupted(by number: Int32) {
        state.withLock { state in
            guard !state.isOver else { return }
            for path in state.unfinished { unlink(path) }
            line.end()
            Output.note("milepost: interrupted: \(state.sentence)")
            signal(number, SIG_DFL)
            var set = sigset_t()
            sigemptyset(&set)
            sigaddset(&set, number)
            pthread_sigmask(SIG_UNBLOCK, &set, nil)
            kill(getpid(), number)
            // The lock is kept until the process is gone: nothing is finished any more.
            while true { pause() }
        }
    }
}
