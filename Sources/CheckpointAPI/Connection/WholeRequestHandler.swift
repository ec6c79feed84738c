import HTTPTypes
package import Hummingbird
package import Logging
package import NIOCore
package import NIOHTTPTypes

/// Answers requests of known, moderate length on their connection's own event loop.
///
/// It stands in Hummingbird's pipeline and calls the same responder. What it saves is the way there: Hummingbird
/// streams every part of a request to a task through an `NIOAsyncChannel`, which for a small body costs more than all
/// the rest. A request that is streamed, long, waits for `100 Continue` or ends its connection is passed on and takes
/// that way, as does one that arrives while such a request is unanswered: answers keep the order of their requests.
/// One whose body does not fit the budget is passed on too, and refused there.
///
/// docs/decisions/0006 has the figures.
package final class WholeRequestHandler<Responder: HTTPResponder>: ChannelDuplexHandler, RemovableChannelHandler
where Responder.Context == APIContext {
    package typealias InboundIn = HTTPRequestPart
    package typealias InboundOut = HTTPRequestPart
    package typealias OutboundIn = HTTPResponsePart
    package typealias OutboundOut = HTTPResponsePart

    private enum State {
        case idle
        case collecting(HTTPRequest, ByteBuffer)
        /// An answer is being made, or waits to be read; what arrives meanwhile is held.
        case answering
    }

    /// What arrived while a request was being answered, in its order.
    private enum Arrival {
        case part(HTTPRequestPart)
        case event(Any)
        case error(any Error)
    }

    /// Parts, and bytes of bodies, that may be held before no more input is asked for: a client that pipelines waits in
    /// its socket.
    private static var heldLimit: (parts: Int, bytes: Int) { (64, 64 * 1_024) }

    private let responder: Responder
    private let direct: DirectCalls
    private let logger: Logger
    private var state = State.idle
    /// For the body that is being collected or answered; empty when there is none.
    private var reservation: BodyReservation
    private var held = CircularBuffer<Arrival>()
    private var heldBytes = 0
    /// Requests passed on and not answered yet.
    private var passedOn = 0
    /// The client is slow to read: what it sent next waits until it has read its answers.
    private var waitsForReader = false
    /// More input was asked for while too much was held.
    private var wantsRead = false
    private var executor: EventLoopTaskExecutor?
    private var date = DateHeader()

    package init(responder: Responder, direct: DirectCalls, budget: BodyBudget, logger: Logger) {
        self.responder = responder
        self.direct = direct
        self.logger = logger
        reservation = BodyReservation(in: budget)
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        executor = EventLoopTaskExecutor(context.eventLoop)
    }

    // MARK: - In

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if case .answering = state {
            held.append(.part(part))
            if case .body(let bytes) = part { heldBytes += bytes.readableBytes }
        } else {
            receive(part, context)
        }
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // The server's order to end idle connections must not reach a connection that owes an answer.
        if case .idle = state {
            context.fireUserInboundEventTriggered(event)
        } else {
            held.append(.event(event))
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .answering = state {
            held.append(.error(error))
        } else {
            forgetUnfinished()
            context.fireErrorCaught(error)
            resume(context)
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        forgetUnfinished()
        context.fireChannelInactive()
    }

    /// No more will come of a body that is being collected.
    private func forgetUnfinished() {
        guard case .collecting = state else { return }
        state = .idle
        reservation.release()
    }

    package func read(context: ChannelHandlerContext) {
        if held.count >= Self.heldLimit.parts || heldBytes >= Self.heldLimit.bytes {
            wantsRead = true
        } else {
            context.read()
        }
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if waitsForReader, context.channel.isWritable {
            waitsForReader = false
            state = .idle
            resume(context)
        }
        context.fireChannelWritabilityChanged()
    }

    private func receive(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch (part, state) {
        case (.head(let head), .idle):
            if passedOn == 0, let length = WholeRequest.length(announcedBy: head), reservation.grow(to: length) {
                state = .collecting(head, ByteBuffer())
            } else {
                passedOn += 1
                context.fireChannelRead(wrapInboundOut(part))
            }
        case (.body(var bytes), .collecting(let head, var body)):
            state = .idle  // so that `body` is not copied when it grows
            if body.readableBytes == 0 {
                swap(&body, &bytes)
            } else {
                body.reserveCapacity(reservation.bytes)
                body.writeBuffer(&bytes)
            }
            state = .collecting(head, body)
        case (.end, .collecting(let head, let body)):
            state = .answering
            answer(head, body, context)
        default:
            context.fireChannelRead(wrapInboundOut(part))
        }
    }

    // MARK: - Out

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { passedOn -= 1 }
        context.write(data, promise: promise)
    }

    private func answer(_ head: HTTPRequest, _ body: ByteBuffer, _ context: ChannelHandlerContext) {
        let eventLoop = context.eventLoop
        let connection = NIOLoopBound((handler: self, context: context), eventLoop: eventLoop)
        let isTaken = direct.answer(head, body) { response in
            if eventLoop.inEventLoop {
                connection.value.handler.finish(response, connection.value.context)
            } else {
                eventLoop.execute { connection.value.handler.finish(response, connection.value.context) }
            }
        }
        if !isTaken {
            answerInTask(Request(head: head, body: RequestBody(buffer: body)), context)
        }
    }

    /// Answers a request whose responder has to wait for something.
    private func answerInTask(_ request: Request, _ context: ChannelHandlerContext) {
        let channel = context.channel
        let (responder, logger) = (responder, logger)
        startTask(context) {
            let source = ApplicationRequestContextSource(channel: channel, logger: logger)
            var context = APIContext(source: source)
            context.isBodyCounted = true
            // `ErrorMiddleware` turns every error into an answer; what it lets through is about a connection that streams.
            let response = try? await responder.respond(to: request, context: context)
            return await WholeResponse(response ?? .internalServerError)
        }
    }

    /// Runs `make` on this event loop, and sends what it returns.
    ///
    /// The task belongs to the connection: it ends with the answer, and the connection is not ended before. It is
    /// started at once and in place: there is no other task to be a part of, and no queue to wait in.
    private func startTask(_ context: ChannelHandlerContext, _ make: @escaping @Sendable () async -> WholeResponse) {
        let connection = NIOLoopBound((handler: self, context: context), eventLoop: context.eventLoop)
        Task.immediate(executorPreference: executor) {
            let response = await make()
            connection.value.handler.finish(response, connection.value.context)
        }
    }

    private func finish(_ answer: DirectCalls.Answer, _ context: ChannelHandlerContext) {
        switch answer {
        case .whole(let response): finish(response, context)
        case .refusal(let response): startTask(context) { await WholeResponse(response) }
        }
    }

    private func finish(_ response: WholeResponse, _ context: ChannelHandlerContext) {
        var head = response.head
        head.headerFields[.date] = date.now
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if response.body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(response.body)), promise: nil)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        reservation.release()
        if context.channel.isWritable {
            state = .idle
            resume(context)
        } else {
            waitsForReader = true
        }
    }

    /// Takes up what was held, as far as the next request that has to be answered first.
    private func resume(_ context: ChannelHandlerContext) {
        while let arrival = held.popFirst() {
            switch arrival {
            case .part(let part):
                if case .body(let bytes) = part { heldBytes -= bytes.readableBytes }
                receive(part, context)
            case .event(let event): context.fireUserInboundEventTriggered(event)
            case .error(let error): context.fireErrorCaught(error)
            }
            if case .answering = state { return }
        }
        if wantsRead {
            wantsRead = false
            context.read()
        }
    }
}

/// Which requests are worth collecting before anything is done.
enum WholeRequest {
    /// Bytes of a body that are collected on the event loop at most.
    static let bodyLimit = 1_024 * 1_024

    /// The length of a body that is neither streamed nor long, on a connection that goes on; else nil.
    static func length(announcedBy head: HTTPRequest) -> Int? {
        guard
            head.method == .post,
            let length = head.headerFields[.contentLength].flatMap({ Int($0) }), (0...bodyLimit).contains(length),
            head.headerFields[.expect] == nil,
            head.headerFields[.connection].map({ $0.lowercased() == "keep-alive" }) ?? true
        else { return nil }
        return length
    }
}
