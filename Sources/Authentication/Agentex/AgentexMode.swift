import Checkpoints
import Crypto
import JSON
import NIOCore
import Synchronization

/// Asks an Agentex provider who the caller is.
///
/// It recognises every request, so it comes last: whatever headers there are, the provider decides. Requests that are
/// alike in all that may identify a caller share one call, and its answer for a minute; a refusal is not remembered.
package final class AgentexMode: AuthenticationMode {
    private typealias Outcome = Result<Principal, AuthenticationFailure>

    private struct State {
        var cache: PrincipalCache
        var calls: [[UInt8]: EventLoopFuture<Outcome>] = [:]
    }

    private enum Step {
        case known(Principal)
        case join(EventLoopFuture<Outcome>)
        case ask(EventLoopPromise<Outcome>)
    }

    package let name = "agentex"
    private let provider: AgentexProvider
    private let call: AgentexCall
    private let now: @Sendable () -> ContinuousClock.Instant
    /// Random, and never leaves the process.
    private let digestKey = SymmetricKey(size: .bits256)
    private let state: Mutex<State>

    package init(
        provider: AgentexProvider,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.provider = provider
        self.now = now
        call = AgentexCall("/v1/authn", of: provider, atOnce: provider.limits.authentications, now: now)
        state = Mutex(State(cache: PrincipalCache(provider.limits)))
    }

    package var evictionCount: Int { state.withLock { $0.cache.evictionCount } }

    package func recognises(_ credentials: Credentials) -> Bool { true }

    package func principalAtOnce(for credentials: Credentials) -> Result<Principal, AuthenticationFailure>? {
        guard let headers = ForwardedHeaders(credentials.headers) else { return .failure(.unsendable) }
        let key = headers.digest(under: digestKey)
        return state.withLock { $0.cache.principal(for: key, at: now()) }.map { .success($0) }
    }

    package func principal(for credentials: Credentials) async -> Result<Principal, AuthenticationFailure> {
        guard let headers = ForwardedHeaders(credentials.headers) else { return .failure(.unsendable) }
        let key = headers.digest(under: digestKey)
        let start = now()
        let step = state.withLock { state -> Step in
            if let principal = state.cache.principal(for: key, at: start) { return .known(principal) }
            if let call = state.calls[key] { return .join(call) }
            let promise = provider.eventLoop.makePromise(of: Outcome.self)
            state.calls[key] = promise.futureResult
            return .ask(promise)
        }
        switch step {
        case .known(let principal):
            return .success(principal)
        case .join(let outcome):
            return await Self.value(of: outcome)
        case .ask(let promise):
            call.ask(headers: headers.http).map { [self] answer in
                let reading = AgentexPrincipal.read(answer)
                finish(key, with: reading, askedAt: start)
                return reading.map(\.principal)
            }
            .cascade(to: promise)
            return await Self.value(of: promise.futureResult)
        }
    }

    private func finish(
        _ key: [UInt8],
        with reading: Result<AgentexPrincipal, AuthenticationFailure>,
        askedAt start: ContinuousClock.Instant
    ) {
        state.withLock { state in
            state.calls[key] = nil
            // A refusal is asked for again.
            guard case .success(let found) = reading, found.mayBeRemembered else { return }
            state.cache.insert(found.principal, for: key, askedAt: start, now: now())
        }
    }

    /// What came of a call, which ends in time whether or not somebody waits for it.
    private static func value(of outcome: EventLoopFuture<Outcome>) async -> Outcome {
        do {
            return try await outcome.get()
        } catch {
            return .failure(.providerNotAsked("the call was lost"))
        }
    }
}
