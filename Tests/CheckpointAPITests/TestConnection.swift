import CheckpointAPI
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization

/// Answers with the body it got; a request to `/slow` waits until it is let go.
final class EchoResponder: HTTPResponder {
    typealias Context = APIContext
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    @concurrent
    func respond(to request: Request, context: APIContext) async throws -> Response {
        if request.head.path == "/slow" {
            await withCheckedContinuation { waits in waiting.withLock { $0.append(waits) } }
        }
        let body = try await request.body.collect(upTo: 1_000)
        return Response(status: .ok, body: ResponseBody(byteBuffer: body))
    }

    func letGo() {
        for waits in waiting.withLock({ waits in
            defer { waits = [] }; return waits
        }) { waits.resume() }
    }
}

/// A connection whose requests an `EchoResponder` answers.
struct TestConnection {
    let responder = EchoResponder()
    let budget = BodyBudget(limit: 1_000)
    let channel: EmbeddedChannel

    init() {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let direct = DirectCalls([], access: .forEverybody, log: RequestLog(logger: logger))
        // What is about a client that sends nothing more is not about one that asks for nothing.
        var limits = ConnectionLimits()
        limits.idle = .hours(24)
        limits.request = .hours(24)
        limits.bodyGrace = .hours(24)
        let handler = WholeRequestHandler(
            responder: responder,
            direct: direct,
            budget: budget,
            connections: OpenConnections(limits: limits),
            logger: logger
        )
        channel = EmbeddedChannel(handler: handler)
    }

    func head(_ path: String, _ method: HTTPRequest.Method = .post, _ fields: HTTPFields) throws {
        let head = HTTPRequest(method: method, scheme: "http", authority: "x", path: path, headerFields: fields)
        try channel.writeInbound(HTTPRequestPart.head(head))
    }

    func send(_ path: String, _ body: String) throws {
        try head(path, .post, [.contentLength: String(body.utf8.count)])
        if !body.isEmpty { try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: body))) }
        try channel.writeInbound(HTTPRequestPart.end(nil))
    }

    /// The bodies answered so far, in their order.
    func answers() throws -> [String] {
        channel.embeddedEventLoop.run()
        var bodies: [String] = []
        while let part = try channel.readOutbound(as: HTTPResponsePart.self) {
            if case .body(let body) = part { bodies.append(String(buffer: body)) }
        }
        return bodies
    }

    /// The parts that were passed on.
    func passedOn() throws -> Int {
        var count = 0
        while try channel.readInbound(as: HTTPRequestPart.self) != nil { count += 1 }
        return count
    }
}

/// Counts the events that were passed on.
final class EventCounter: ChannelInboundHandler {
    typealias InboundIn = HTTPRequestPart
    var count = 0
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { count += 1 }
}

/// Counts how often input was asked for.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart
    var count = 0
    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}

/// Keeps the ends of answers from being written until they are let go.
final class EndHolder: ChannelOutboundHandler {
    typealias OutboundIn = HTTPResponsePart
    private var promises: [EventLoopPromise<Void>?] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) {
            promises.append(promise)
            context.write(data, promise: nil)
        } else {
            context.write(data, promise: promise)
        }
    }

    func letGo() {
        let held = promises
        promises = []
        for promise in held { promise?.succeed() }
    }
}
