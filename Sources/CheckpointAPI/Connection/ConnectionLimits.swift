package import NIOCore

/// What a client may take of the server's connections and time.
///
/// Times are looked at once a `lookInterval`, so what is over its limit ends that much later at most.
package struct ConnectionLimits: Sendable {
    /// Connections that may be open at one time; one more ends one that is idle, or is refused.
    package var connections = 10_000
    /// Bytes of a request's target and header fields; more is answered with 431.
    package var headerBytes = 16 * 1_024
    /// How long the handshake of TLS may take.
    package var handshake = TimeAmount.seconds(10)
    /// How long a connection may be open without a request.
    package var idle = TimeAmount.seconds(60)
    /// How long a request's head may take from its first byte.
    package var head = TimeAmount.seconds(10)
    /// How long a client may pause in a request's body.
    package var silence = TimeAmount.seconds(30)
    /// How long a client may take for a body before its pace counts.
    package var bodyGrace = TimeAmount.seconds(10)
    /// Bytes of a body that have to come each second, on average, once the grace is over.
    package var bodyBytesPerSecond = 1_024
    /// How long a client may read nothing of an answer that waits for it.
    package var unread = TimeAmount.seconds(30)
    /// How long a request may take, from its head to the end of its answer.
    ///
    /// 64 MiB, the largest body by default, take 300 seconds at 1.8 Mbit/s.
    package var request = TimeAmount.seconds(300)
    /// How long a client has for reading why its connection ends.
    package var lastWords = TimeAmount.seconds(2)
    /// Requests that one HTTP/2 connection may have open.
    package var streams = 100
    /// How often connections are looked at.
    package var lookInterval = TimeAmount.seconds(1)

    package init() {}
}
