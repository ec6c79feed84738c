import Checkpoints
import Synchronization

/// What waits for one client that follows a thread.
///
/// It is filled from threads that must not be held up, and emptied by the one task that writes to the client.
final class EventStream: Sendable {
    /// What the client's task has to do next.
    enum Signal {
        case changes([ThreadChange])
        /// More came than is kept: what the thread has must be read.
        case overfull
        case heartbeat
        case end
    }

    fileprivate struct State {
        var changes: [ThreadChange] = []
        var isOverfull = false
        var isHeartbeatDue = false
        var isEnded = false
        var waiting: CheckedContinuation<Void, Never>?
        /// Since when the task is at work; nil while it waits here.
        var busySince: ContinuousClock.Instant? = .now
        var heartbeatAt = ContinuousClock.now
    }

    /// Changes that wait at most.
    static let limit = 256

    private let state = Mutex(State())
    /// Ends the connection, or the stream of HTTP/2, whose client does not read.
    private let cut: @Sendable () -> Void

    init(cut: @escaping @Sendable () -> Void) {
        self.cut = cut
    }

    func add(_ change: ThreadChange) {
        signal { state in
            guard !state.isOverfull else { return }
            if state.changes.count < Self.limit {
                state.changes.append(change)
            } else {
                state.changes = []
                state.isOverfull = true
            }
        }
    }

    /// The next signal is the end, whatever waits.
    func end() {
        signal { $0.isEnded = true }
    }

    func look(at now: ContinuousClock.Instant, _ limits: EventStreams.Limits) {
        let isStuck = state.withLock { state in
            let isStuck = state.busySince.map { now - $0 >= limits.unread } ?? false
            if isStuck { state.busySince = now }
            return isStuck
        }
        if isStuck {
            cut()
            return end()
        }
        signal { state in
            guard now - state.heartbeatAt >= limits.heartbeat else { return }
            state.heartbeatAt = now
            state.isHeartbeatDue = true
        }
    }

    private func signal(_ body: (inout State) -> Void) {
        let waiting: CheckedContinuation<Void, Never>? = state.withLock { state in
            body(&state)
            guard state.hasSignal else { return nil }
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    /// Waits for the next; for the end when the task is cancelled.
    ///
    /// For one task.
    func next() async -> Signal {
        state.withLock { $0.busySince = nil }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isReady = state.withLock { state in
                    if !state.hasSignal { state.waiting = continuation }
                    return state.hasSignal
                }
                if isReady { continuation.resume() }
            }
        } onCancel: {
            end()
        }
        return state.withLock { state in
            state.busySince = .now
            return state.takeSignal()
        }
    }
}

extension EventStream.State {
    fileprivate var hasSignal: Bool { isEnded || isOverfull || isHeartbeatDue || !changes.isEmpty }

    fileprivate mutating func takeSignal() -> EventStream.Signal {
        if isEnded { return .end }
        if isOverfull {
            isOverfull = false
            return .overfull
        }
        if !changes.isEmpty {
            defer { changes = [] }
            return .changes(changes)
        }
        isHeartbeatDue = false
        return .heartbeat
    }
}
