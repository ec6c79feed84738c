import NIOCore
import NIOHTTP1
import Synchronization

/// One of the provider's calls, guarded: so many at a time, and none while it keeps failing.
///
/// Each has a breaker of its own. What strangers can provoke by odd headers must not keep known callers from their
/// threads.
final class AgentexCall: Sendable {
    private struct State {
        var breaker = CircuitBreaker()
        var underWay = 0
    }

    private let provider: AgentexProvider
    private let path: String
    private let maximumUnderWay: Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let state = Mutex(State())

    init(
        _ path: String,
        of provider: AgentexProvider,
        atOnce maximumUnderWay: Int,
        now: @escaping @Sendable () -> ContinuousClock.Instant
    ) {
        self.path = path
        self.provider = provider
        self.maximumUnderWay = maximumUnderWay
        self.now = now
    }

    /// The future never fails.
    func ask(headers: HTTPHeaders, body: [UInt8] = []) -> EventLoopFuture<AgentexAnswer> {
        let admission = state.withLock { state -> Result<CircuitBreaker.Ticket, Refused> in
            guard state.underWay < maximumUnderWay else { return .failure(Refused(.crowded)) }
            guard let ticket = state.breaker.admit(at: now()) else { return .failure(Refused(.paused)) }
            state.underWay += 1
            return .success(ticket)
        }
        switch admission {
        case .failure(let refused):
            return provider.eventLoop.makeSucceededFuture(refused.answer)
        case .success(let ticket):
            return provider.post(path, headers: headers, body: body).map { [self] answer in
                state.withLock { state in
                    state.underWay -= 1
                    state.breaker.record(answer.health, of: ticket, at: now())
                }
                return answer
            }
        }
    }

    private struct Refused: Error {
        let answer: AgentexAnswer

        init(_ answer: AgentexAnswer) {
            self.answer = answer
        }
    }
}
