import Logging
import NIOCore

/// Ends a connection of HTTP/2 on which nothing is asked, or whose client does not read.
///
/// Its streams are watched one by one beside it.
///
/// Used on one event loop.
final class HTTP2Watch: WatchedConnection {
    private let channel: any Channel
    private let limits: ConnectionLimits
    private let logger: Logger
    private let sweep: ConnectionSweep
    var place = 0
    private(set) var idleSince: NIODeadline?
    private var openStreams = 0
    private var hasBeenAsked = false
    private var isToldToEnd = false
    private var unread = UnreadAnswer()

    init(_ channel: any Channel, in connections: OpenConnections, logger: Logger) {
        self.channel = channel
        limits = connections.limits
        self.logger = logger
        sweep = connections.sweep(on: channel.eventLoop)
        idleSince = channel.eventLoop.now
        sweep.add(self)
    }

    func streamOpened() {
        openStreams += 1
        hasBeenAsked = true
        idleSince = nil
    }

    func streamClosed() {
        openStreams -= 1
    }

    func stop() {
        sweep.remove(self)
    }

    func look(at now: NIODeadline) {
        if unread.isOver(limits.unread, channel, now) { return end("the answer is not read") }
        guard openStreams == 0 else {
            idleSince = nil
            return
        }
        if idleSince == nil || hasBeenAsked { idleSince = now }
        hasBeenAsked = false
        guard let idleSince, now - idleSince >= limits.idle else { return }
        // A client that understands ends the connection itself.
        if isToldToEnd, now - idleSince >= limits.idle + limits.lastWords { return end("nothing was asked") }
        guard !isToldToEnd else { return }
        isToldToEnd = true
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }

    func makeRoom() {
        end("another one takes its place")
    }

    private func end(_ reason: String) {
        logger.debug("connection closed", metadata: ["reason": .string(reason)])
        channel.close(promise: nil)
    }
}
