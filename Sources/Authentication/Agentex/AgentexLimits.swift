import JSON

/// What the calls to an Agentex provider may take, and how long their answers count.
package struct AgentexLimits: Sendable {
    /// How long a connection may take to be made, or one that is in use to become free.
    package var connecting = Duration.seconds(2)
    /// How long one call may take, from asking to the end of the answer's body.
    package var call = Duration.seconds(10)
    /// Calls to `/v1/authn` that may be under way.
    ///
    /// Half of the connections, so that strangers leave the other half to those who are known.
    package var authentications = 64
    /// Calls to `/v1/authz/check` that may be under way or wait for a connection.
    package var checks = 1_024
    /// How long a principal is believed, counted from the moment it was asked for.
    package var principalLifetime = Duration.seconds(60)
    /// Principals that are remembered.
    package var cachedPrincipals = 10_000
    /// The bytes of JSON of the remembered principals together: 16 MiB.
    package var cachedBytes = 16 << 20

    package init() {}

    var connections: Int { 2 * authentications }

    /// How large a body of the provider's may be: 64 KiB.
    static let answerBytes = 64 << 10
}

extension JSONLimits {
    /// The JSON of a body of the provider's: 64 levels.
    static let agentexAnswer = JSONLimits(maximumDepth: 64)
}
