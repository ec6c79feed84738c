import HTTPTypes
import Logging
import NIOCore
import NIOHTTPTypes

/// Ends a connection, or one stream of an HTTP/2 connection, whose client takes too long.
///
/// What is told to it for every request costs an addition or two; clocks are read only for a request that does not come
/// whole. The time in which the server is not ready for more does not count against the client.
///
/// Used on one event loop.
final class RequestWatch: WatchedConnection {
    private let channel: any Channel
    private let isStream: Bool
    private let limits: ConnectionLimits
    private let logger: Logger
    private let sweep: ConnectionSweep
    var place = 0
    /// As it was found when it was looked at last.
    private var restSince: NIODeadline?
    /// Nil while a request is there, also one that came since it was looked at.
    var idleSince: NIODeadline? { isRequestOpen || unanswered > 0 ? nil : restSince }

    /// A head came, and the end of its request has not.
    private(set) var isRequestOpen = false
    /// Requests whose answer has not come to its end.
    private var unanswered = 0
    /// Requests answered so far; that it changes shows progress.
    private var answered = 0
    private var answeredBefore = 0
    private var busySince: NIODeadline?
    /// Something of a request was in what was read last.
    private var hasParts = false
    /// When the first bytes of a head came that is not whole.
    private var headSince: NIODeadline?
    /// Of the body that is arriving.
    private var bodyBytes = 0
    private var bodyWait = TimeAmount.zero
    /// Since when more of it is asked for; nil while nothing is.
    private var askedSince: NIODeadline?
    /// Its last answer is on its way, and what still comes is not looked at.
    private var endsAt: NIODeadline?
    private var unread = UnreadAnswer()
    /// The answer that is being sent goes on for as long as its client likes.
    private var isStreaming = false

    init(_ channel: any Channel, isStream: Bool, in connections: OpenConnections, logger: Logger) {
        self.channel = channel
        self.isStream = isStream
        limits = connections.limits
        self.logger = logger
        sweep = connections.sweep(on: channel.eventLoop)
        restSince = isStream ? nil : channel.eventLoop.now
        sweep.add(self)
    }

    // MARK: - What happens

    func headCame() {
        hasParts = true
        isRequestOpen = true
        unanswered += 1
        headSince = nil
        bodyBytes = 0
        bodyWait = .zero
    }

    func bodyCame(_ bytes: Int) {
        hasParts = true
        bodyBytes += bytes
    }

    func endCame() {
        hasParts = true
        isRequestOpen = false
    }

    /// All that was read at once has been handed on.
    func readCompleted() {
        if let start = askedSince {
            bodyWait = bodyWait + (channel.eventLoop.now - start)
            askedSince = nil
        }
        if hasParts {
            hasParts = false
        } else if !isRequestOpen, unanswered == 0, headSince == nil {
            headSince = channel.eventLoop.now
        }
    }

    /// More is asked for.
    func asked() {
        if isRequestOpen, askedSince == nil { askedSince = channel.eventLoop.now }
    }

    /// A part of an answer to a request that was passed on.
    func sends(_ part: HTTPResponsePart) {
        switch part {
        case .head(let head): isStreaming = head.headerFields[.contentType] == "text/event-stream"
        case .body: break
        case .end:
            isStreaming = false
            answerEnded()
        }
    }

    /// A client that ends its side takes no events any more.
    func happened(_ event: Any) {
        if isStreaming, case ChannelEvent.inputClosed? = event as? ChannelEvent { end("the client is gone") }
    }

    func answerEnded() {
        if unanswered > 0 { unanswered -= 1 }
        answered &+= 1
    }

    /// Nothing more is parsed: the client has a moment to read why.
    func willEnd() {
        endsAt = channel.eventLoop.now + limits.lastWords
    }

    /// The connection is at its end.
    func stop() {
        sweep.remove(self)
    }

    // MARK: - Looking

    func look(at now: NIODeadline) {
        if let endsAt, now >= endsAt, unanswered == 0 {
            end("the request could not be parsed")
        } else if !isStream, unread.isOver(limits.unread, channel, now) {
            // A stream does not say how much waits; the time of its request bounds it.
            end("the answer is not read")
        } else if isStreaming {
            (busySince, restSince) = (nil, nil)
        } else if isRequestOpen || unanswered > 0 {
            lookAtRequest(now)
        } else if !isStream {
            busySince = nil
            if restSince == nil || answered != answeredBefore { restSince = now }
            if let headSince, now - headSince >= limits.head {
                end("the request's head did not arrive to its end")
            } else if let restSince, now - restSince >= limits.idle {
                end("nothing was asked")
            }
        }
        answeredBefore = answered
    }

    func makeRoom() {
        end("another one takes its place")
    }

    private func lookAtRequest(_ now: NIODeadline) {
        restSince = nil
        if busySince == nil || answered != answeredBefore { busySince = now }
        if let busySince, now - busySince >= limits.request { return end("the request takes too long") }
        guard let start = askedSince else { return }
        // An answer that is owed to an earlier request takes the time it takes.
        guard unanswered <= 1 else { return askedSince = now }
        let wait = bodyWait + (now - start)
        let allowed = limits.bodyGrace.nanoseconds + Int64(bodyBytes) * 1_000_000_000 / Int64(limits.bodyBytesPerSecond)
        if now - start >= limits.silence || wait.nanoseconds >= allowed {
            end("the request did not arrive to its end")
        }
    }

    private func end(_ reason: String) {
        logger.debug("connection closed", metadata: ["reason": .string(reason)])
        channel.close(promise: nil)
    }
}
