import Logging
import NIOCore

/// Ends a connection whose handshake of TLS takes too long.
///
/// Used on one event loop.
final class HandshakeWatch: WatchedConnection {
    private let channel: any Channel
    private let limit: TimeAmount
    private let logger: Logger
    private let sweep: ConnectionSweep
    private let start: NIODeadline
    var place = 0
    var idleSince: NIODeadline? { start }

    init(_ channel: any Channel, in connections: OpenConnections, logger: Logger) {
        self.channel = channel
        limit = connections.limits.handshake
        self.logger = logger
        sweep = connections.sweep(on: channel.eventLoop)
        start = channel.eventLoop.now
        sweep.add(self)
    }

    /// It is done, or the connection is at its end.
    func stop() {
        sweep.remove(self)
    }

    func look(at now: NIODeadline) {
        if now - start >= limit { end("the TLS handshake takes too long") }
    }

    func makeRoom() {
        end("another one takes its place")
    }

    /// Without the farewell of TLS, which the client has not agreed on.
    private func end(_ reason: String) {
        logger.debug("connection closed", metadata: ["reason": .string(reason)])
        channel.close(promise: nil)
    }
}
