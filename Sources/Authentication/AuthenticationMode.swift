package import HTTPTypes

/// What a request shows of its caller.
package struct Credentials: Sendable {
    /// As the client sent them, in their order.
    package let headers: HTTPFields
    /// The names of a client certificate that TLS has verified, such as `URI:spiffe://example/agent` and `DNS:agent`;
    /// empty without one.
    package let certificateNames: [String]
    /// Whom to throttle: the client's address, or what a trusted proxy says it is.
    ///
    /// Made when asked for.
    package var source: String { makeSource() }

    private let makeSource: @Sendable () -> String

    package init(
        headers: HTTPFields,
        certificateNames: [String] = [],
        source: @autoclosure @escaping @Sendable () -> String
    ) {
        self.headers = headers
        self.certificateNames = certificateNames
        makeSource = source
    }
}

/// Why a credential was not accepted.
///
/// The client learns none of it but the status.
package struct AuthenticationFailure: Error, Hashable, Sendable {
    /// For the metrics: one of a short list.
    package enum Kind: String, Sendable {
        /// No credential was sent.
        case missing
        /// What was sent cannot be a credential, or not one for this server.
        case invalid
        /// It looks like one, and nobody knows it.
        case unknown
        case expired
        case revoked
        /// Somebody else was asked, and refused.
        case refused
        /// Somebody else would have had to be asked, and did not answer.
        case unavailable
    }

    package let kind: Kind
    /// For the audit log: a few plain words without anything that the client sent, such as `the key has expired`.
    package let reason: String

    package init(_ reason: String, _ kind: Kind = .invalid) {
        self.kind = kind
        self.reason = reason
    }

    /// The reason says it all.
    package static func == (one: AuthenticationFailure, other: AuthenticationFailure) -> Bool {
        one.reason == other.reason
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(reason)
    }
}

/// One way to say who one is.
package protocol AuthenticationMode: Sendable {
    /// For the audit log: `key`, `jwt`, `mtls`, `agentex`.
    var name: String { get }

    /// How many known callers were forgotten so far to make room for others.
    var evictionCount: Int { get }

    /// Whether the request has a credential of this mode, good or bad.
    ///
    /// The first mode that says so decides.
    func recognises(_ credentials: Credentials) -> Bool

    /// Who the caller is, if that can be said without waiting; nil when it takes `principal(for:)`.
    ///
    /// Called on a connection's event loop: costs microseconds.
    func principalAtOnce(for credentials: Credentials) -> Result<Principal, AuthenticationFailure>?

    /// Who the caller is.
    func principal(for credentials: Credentials) async -> Result<Principal, AuthenticationFailure>
}

extension AuthenticationMode {
    /// For a mode that remembers nobody.
    package var evictionCount: Int { 0 }
}
