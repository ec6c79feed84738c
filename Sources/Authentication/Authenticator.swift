import Checkpoints

/// Says who a caller is, by the first mode that recognises a credential in its request.
///
/// A credential that this mode does not accept is refused: no other mode is asked, and nobody becomes anonymous.
package struct Authenticator: Sendable {
    /// What became of a request's credentials.
    package enum Outcome: Sendable {
        case accepted(Principal)
        /// `mode` is nil when the request has no credential at all.
        case refused(AuthenticationFailure, mode: String?)
        /// This source has failed too often: its credentials are not looked at, unless that costs nothing.
        case throttled(Duration)
    }

    /// Failures that a source may have at once, and how many it may have in each second after them.
    package static let failures = (burst: 20.0, perSecond: 1.0)

    private let modes: [any AuthenticationMode]
    private let failed: TokenBuckets<String>

    /// `modes` in the order in which they are asked, one at least.
    package init(_ modes: [any AuthenticationMode]) {
        precondition(!modes.isEmpty, "without a mode nobody could be authenticated")
        self.modes = modes
        failed = TokenBuckets(perSecond: Self.failures.perSecond, burst: Self.failures.burst)
    }

    /// For the operator: `key, jwt`.
    package var description: String {
        modes.map(\.name).joined(separator: ", ")
    }

    /// How many known callers each mode has forgotten to make room for others, by its name.
    package var evictionCounts: [(mode: String, count: Int)] {
        modes.map { ($0.name, $0.evictionCount) }
    }

    /// What can be said without waiting, with no effect on the throttle; nil when it takes `authenticate`.
    package func authenticateAtOnce(_ credentials: Credentials) -> Result<Principal, AuthenticationFailure>? {
        guard let mode = mode(for: credentials) else { return .failure(Self.none) }
        return mode.principalAtOnce(for: credentials)
    }

    /// Counts a failure against the source.
    ///
    /// Of one that has failed too often only credentials that are decided at once are looked at: a good key goes on
    /// working behind the same address, and no provider is asked on behalf of whoever guesses.
    package func authenticate(_ credentials: Credentials) async -> Outcome {
        guard let mode = mode(for: credentials) else { return refused(Self.none, nil, credentials) }
        let result: Result<Principal, AuthenticationFailure>
        if let known = mode.principalAtOnce(for: credentials) {
            result = known
        } else if let wait = failed.wait(for: credentials.source) {
            return .throttled(wait)
        } else {
            result = await mode.principal(for: credentials)
        }
        switch result {
        case .success(let principal): return .accepted(principal)
        case .failure(let failure): return refused(failure, mode.name, credentials)
        }
    }

    private static let none = AuthenticationFailure("no credential was sent", .missing)

    private func mode(for credentials: Credentials) -> (any AuthenticationMode)? {
        modes.first { $0.recognises(credentials) }
    }

    private func refused(_ failure: AuthenticationFailure, _ mode: String?, _ credentials: Credentials) -> Outcome {
        if let wait = failed.take(for: credentials.source) { return .throttled(wait) }
        return .refused(failure, mode: mode)
    }
}
