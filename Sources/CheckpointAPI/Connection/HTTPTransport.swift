/// What carries the requests that a handler answers.
package enum HTTPTransport: Sendable {
    /// A connection without TLS.
    case plain
    /// HTTP/1.1 in TLS.
    case secure(ConnectedClient)
    /// One stream of HTTP/2 in TLS.
    case stream(ConnectedClient)

    var isSecure: Bool {
        if case .plain = self { false } else { true }
    }

    var isStream: Bool {
        if case .stream = self { true } else { false }
    }
}
