import HTTPTypes
package import Hummingbird
package import Logging
package import NIOCore
import NIOHTTP1
package import NIOHTTPTypes

/// Answers requests of known, moderate length on their connection's own event loop.
///
/// It stands in Hummingbird's pipeline and calls the same responder. What it saves is the way there: Hummingbird
/// streams every part of a request to a task through an `NIOAsyncChannel`, which for a small body costs more than all
/// the rest. A request that is streamed, long, waits for `100 Continue` or ends its connection is passed on and takes
/// that way, as does one that arrives while such a request is unanswered: answers keep the order of their requests.
/// One whose body does not fit the budget is passed on too, and refused there.
///
/// Of what is passed on it does what Hummingbird leaves undone: it sends `100 Continue`, closes the connection after a
/// request behind which NIO parses nothing, and one whose client falls silent in the middle of a request.
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
        case collecting(CollectedRequest)
        /// An answer is being made, or waits to be read; what arrives meanwhile is held.
        case answering
    }

    /// A request behind which NIO parses nothing more; see `WholeRequest.isLast`.
    private enum LastRequest {
        case none
        case begun
        /// Nothing is read any more: whatever comes would be kept and never looked at.
        case received
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

    /// How long a client that was answered over TLS does not try without: a year.
    private static var secureFor: String { "max-age=31536000" }

    private let responder: Responder
    private let direct: DirectCalls
    private let logger: Logger
    private var state = State.idle
    /// For the body that is being collected or answered; empty when there is none.
    private var reservation: BodyReservation
    private var held = CircularBuffer<Arrival>()
    private var heldBytes = 0
    private var heldEvents = 0
    /// What is held is being taken up, further down the stack.
    private var isResuming = false
    /// Requests passed on and not answered yet.
    private var passedOn = 0
    /// How far the connection's last request has come, if there is one.
    private var last = LastRequest.none
    /// The client is slow to read: what it sent next waits until it has read its answers.
    private var waitsForReader = false
    /// More input was asked for while too much was held.
    private var wantsRead = false
    /// What was wrong with what came last; nothing more is parsed, and Hummingbird answers 400.
    private var parseError: HTTPParserError?
    private let transport: HTTPTransport
    private let connections: OpenConnections
    private var watch: RequestWatch?
    /// Known once the handler is in its pipeline.
    private var client = ConnectedClient(address: nil)
    private var executor: EventLoopTaskExecutor?
    private var date = DateHeader()

    package init(
        responder: Responder,
        direct: DirectCalls,
        budget: BodyBudget,
        connections: OpenConnections = OpenConnections(),
        transport: HTTPTransport = .plain,
        logger: Logger
    ) {
        self.responder = responder
        self.direct = direct
        self.connections = connections
        self.transport = transport
        self.logger = logger
        reservation = BodyReservation(in: budget)
    }

    package func handlerAdded(context: ChannelHandlerContext) {
        executor = EventLoopTaskExecutor(context.eventLoop)
        switch transport {
        case .plain: client = ConnectedClient(address: context.channel.remoteAddress)
        case .secure(let client), .stream(let client): self.client = client
        }
        if !transport.isStream { KeepAlive.set(on: context.channel) }
        watch = RequestWatch(
            context.channel,
            isStream: transport.isStream,
            in: connections,
            logger: logger
        )
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        watch?.stop()
    }

    // MARK: - In

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        switch part {
        case .head(let head):
            watch?.headCame()
            if WholeRequest.isLast(head), !transport.isStream { last = .begun }
        case .body(let bytes): watch?.bodyCame(bytes.readableBytes)
        case .end:
            watch?.endCame()
            if case .begun = last { last = .received }
        }
        if isAnswering || isResuming {
            held.append(.part(part))
            if case .body(let bytes) = part { heldBytes += bytes.readableBytes }
        } else {
            receive(part, context)
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        watch?.readCompleted()
        context.fireChannelReadComplete()
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        watch?.happened(event)
        // The server's order to end idle connections must not reach a connection that owes an answer.
        if case .idle = state {
            context.fireUserInboundEventTriggered(event)
        } else {
            held.append(.event(event))
            heldEvents += 1
        }
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if isAnswering {
            held.append(.error(error))
        } else {
            pass(error, context)
            resume(context)
        }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        forgetUnfinished()
        watch?.stop()
        context.fireChannelInactive()
    }

    private var isAnswering: Bool {
        if case .answering = state { true } else { false }
    }

    private var isCollecting: Bool {
        if case .collecting = state { true } else { false }
    }

    private func pass(_ error: any Error, _ context: ChannelHandlerContext) {
        forgetUnfinished()
        if let error = error as? HTTPParserError {
            parseError = error
            watch?.willEnd()
        }
        context.fireErrorCaught(error)
    }

    /// No more will come of a body that is being collected.
    private func forgetUnfinished() {
        guard isCollecting else { return }
        state = .idle
        reservation.release()
    }

    package func read(context: ChannelHandlerContext) {
        if held.count >= Self.heldLimit.parts || heldBytes >= Self.heldLimit.bytes {
            wantsRead = true
        } else {
            ask(context)
        }
    }

    /// Asks for more input, unless none of it would be looked at.
    private func ask(_ context: ChannelHandlerContext) {
        if case .received = last { return }
        context.read()
        watch?.asked()
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
            let admission = direct.admission(head, client)
            if passedOn == 0, !admission.isRefusal, let length = WholeRequest.length(announcedBy: head),
                reservation.grow(to: length)
            {
                state = .collecting(CollectedRequest(head: head, principal: admission.principal))
            } else {
                if passedOn == 0, !admission.isRefusal { letContinue(head, context) }
                passedOn += 1
                context.fireChannelRead(wrapInboundOut(part))
            }
        case (.body(var bytes), .collecting(var collected)):
            state = .idle  // so that the body is not copied when it grows
            if collected.body.readableBytes == 0 {
                swap(&collected.body, &bytes)
            } else {
                collected.body.reserveCapacity(reservation.bytes)
                collected.body.writeBuffer(&bytes)
            }
            state = .collecting(collected)
        case (.end, .collecting(let collected)):
            state = .answering
            answer(collected, context)
        default:
            context.fireChannelRead(wrapInboundOut(part))
        }
    }

    // MARK: - Out

    /// What answers a request that was passed on.
    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let isOfLast = last != .none && passedOn == 1
        let part = unwrapOutboundIn(data)
        watch?.sends(part)
        switch part {
        case .head(var head)
        where head.status.kind != .informational && (isOfLast || parseError != nil || transport.isSecure):
            if isOfLast { head.headerFields[.connection] = "close" }
            if passedOn == 0, parseError == .headerOverflow { head.status = .requestHeaderFieldsTooLarge }
            if transport.isSecure { head.headerFields[.strictTransportSecurity] = Self.secureFor }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end:
            passedOn -= 1
            guard isOfLast else { return context.write(data, promise: promise) }
            let written = context.eventLoop.makePromise(of: Void.self)
            written.futureResult.cascade(to: promise)
            written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
            context.writeAndFlush(data, promise: written)
        default:
            context.write(data, promise: promise)
        }
    }

    /// Tells a client that waits for it to send its body, unless that would be refused unread.
    private func letContinue(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        guard
            head.headerFields[.expect]?.lowercased() == "100-continue", direct.takesBody(of: head),
            reservation.grow(to: head.headerFields.value(of: .contentLength).flatMap { Int($0) } ?? 0)
        else { return }
        reservation.release()  // whoever reads the body takes it again
        context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
    }

    private func answer(_ request: CollectedRequest, _ context: ChannelHandlerContext) {
        let eventLoop = context.eventLoop
        let connection = NIOLoopBound((handler: self, context: context), eventLoop: eventLoop)
        let isTaken = request.principal.map { principal in
            direct.answer(request, of: principal, from: client) { response in
                if eventLoop.inEventLoop {
                    connection.value.handler.finish(response, connection.value.context)
                } else {
                    eventLoop.execute { connection.value.handler.finish(response, connection.value.context) }
                }
            }
        }
        if isTaken != true { answerInTask(request, context) }
    }

    /// Answers a request whose responder has to wait for something.
    private func answerInTask(_ collected: CollectedRequest, _ context: ChannelHandlerContext) {
        let channel = context.channel
        let (responder, client, logger) = (responder, client, logger)
        startTask(context) {
            let source = ApplicationRequestContextSource(channel: channel, logger: logger)
            var context = APIContext(source: source, client: client)
            context.isBodyCounted = true
            context.principal = collected.principal
            context.start = collected.start
            let request = Request(head: collected.head, body: RequestBody(buffer: collected.body))
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
        if transport.isSecure { head.headerFields[.strictTransportSecurity] = Self.secureFor }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if response.body.readableBytes > 0 {
            context.write(wrapOutboundOut(.body(response.body)), promise: response.whenSent(on: context.eventLoop))
        }
        reservation.release()
        watch?.answerEnded()
        guard heldEvents == 0 else { return finishBeforeEvent(context) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        waitsForReader = !context.channel.isWritable
        guard !waitsForReader else { return }
        state = .idle
        resume(context)
    }

    /// Ends an answer that an order to end the connection may follow: it waits until the answer is on its way.
    private func finishBeforeEvent(_ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { [self] _ in
            state = .idle
            resume(context)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: written)
    }

    /// Takes up what was held, as far as the next request that has to be answered first.
    ///
    /// One that is answered before `receive` returns comes back here; the stack must not grow with each.
    private func resume(_ context: ChannelHandlerContext) {
        guard !isResuming else { return }
        isResuming = true
        let hadHeld = !held.isEmpty
        take: while !isAnswering, let arrival = held.popFirst() {
            switch arrival {
            case .event where isCollecting:
                // It waits for the answer to this request too, as it would have had it come now.
                guard held.count >= heldEvents else {
                    held.prepend(arrival)
                    break take
                }
                held.append(arrival)
            case .part(let part):
                if case .body(let bytes) = part { heldBytes -= bytes.readableBytes }
                receive(part, context)
            case .event(let event):
                heldEvents -= 1
                context.fireUserInboundEventTriggered(event)
            case .error(let error):
                pass(error, context)
            }
        }
        isResuming = false
        // Who was passed a part waits for this before looking at it, and no more may come to be read.
        if hadHeld { context.fireChannelReadComplete() }
        if !isAnswering, wantsRead {
            wantsRead = false
            ask(context)
        }
    }
}
