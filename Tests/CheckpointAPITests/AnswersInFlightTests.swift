import CheckpointAPI
import Checkpoints
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

/// The answers that are in memory at one time: who is counted, and that everything comes back.
@Suite("Answers in flight", .timeLimit(.minutes(5)))
struct AnswersInFlightTests {
    private static let limit = 300_000
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    /// Makes a connection to the one interface.
    private let connect: () -> any ChannelHandler

    init() {
        let limits = APILimits(bodyBytes: Self.limit, inFlightBytes: Self.limit)
        let interface = buildInterface(store: MemoryStore(), limits: limits, logger: Self.logger)
        connect = { interface.connectionHandler(logger: Self.logger) }
    }

    /// A client that reads an answer only when it is told to.
    private final class SlowReader: ChannelOutboundHandler {
        typealias OutboundIn = HTTPResponsePart
        typealias OutboundOut = HTTPResponsePart
        private var held: [(NIOAny, EventLoopPromise<Void>?)] = []
        private(set) var status: Int?
        private(set) var hasEnded = false
        private(set) var headers = HTTPFields()

        func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
            switch unwrapOutboundIn(data) {
            case .head(let head): (status, headers) = (head.status.code, head.headerFields)
            case .body: break
            case .end: hasEnded = true
            }
            held.append((data, promise))
        }

        func read(_ channel: EmbeddedChannel) {
            for (_, promise) in held { promise?.succeed(()) }
            held = []
            (status, hasEnded) = (nil, false)
            channel.embeddedEventLoop.run()
        }

        /// Its connection is gone.
        func leave() {
            for (_, promise) in held { promise?.fail(ChannelError.ioOnClosedChannel) }
            held = []
        }
    }

    private struct Client {
        let channel: EmbeddedChannel
        let reader = SlowReader()

        init(_ connection: any ChannelHandler) throws {
            channel = EmbeddedChannel()
            try channel.pipeline.syncOperations.addHandlers([reader, connection])
        }

        /// Sends a call, and gives the status when its answer was made and waits to be read.
        @discardableResult
        func call(_ name: String, _ body: String) async throws -> Int? {
            let fields: HTTPFields = [.contentType: "application/json", .contentLength: String(body.utf8.count)]
            let path = "/checkpoints/" + name
            let head = HTTPRequest(method: .post, scheme: "http", authority: "x", path: path, headerFields: fields)
            for part in [HTTPRequestPart.head(head), .body(ByteBuffer(string: body)), .end(nil)] {
                try channel.writeInbound(part)
            }
            while !reader.hasEnded {
                channel.embeddedEventLoop.run()
                try await Task.sleep(for: .milliseconds(1))
            }
            return reader.status
        }

        func read() { reader.read(channel) }
    }

    private static let tuple = #"{"thread_id":"t"}"#
    private static let text = String(repeating: "x", count: 200_000)

    private func put(_ count: Int = 1) async throws {
        let client = try Client(connect())
        let checkpoint = #"{"thread_id":"t","checkpoint_id":"c","checkpoint":{},"metadata":{"text":"\#(Self.text)"}}"#
        #expect(try await client.call("put", checkpoint) == 200)
        client.read()
        for number in 1..<count {
            let blob = String(repeating: "AAAA", count: 50_000)
            let write = #"{"task_id":"t\#(number)","idx":0,"channel":"c","type":"b","blob":"\#(blob)"}"#
            let status = try await client.call(
                "put-writes", #"{"thread_id":"t","checkpoint_id":"c","writes":[\#(write)]}"#)
            #expect(status == 204)
            client.read()
        }
    }

    @Test("an answer counts until it was read, and one that does not fit is a 503 to try again")
    func answers() async throws {
        try await put()
        let first = try Client(connect())
        let second = try Client(connect())
        #expect(try await first.call("get-tuple", Self.tuple) == 200)
        #expect(try await second.call("get-tuple", Self.tuple) == 503)
        #expect(second.reader.headers[.retryAfter] == "1")
        second.read()
        // Small answers and changes are not held up.
        #expect(try await second.call("get-tuple", #"{"thread_id":"nobody"}"#) == 200)
        second.read()
        #expect(try await second.call("delete-thread", #"{"thread_id":"nobody"}"#) == 204)
        second.read()
        first.read()
        #expect(try await second.call("get-tuple", Self.tuple) == 200)
    }

    @Test("a client that leaves gives back what its answer took")
    func gone() async throws {
        try await put()
        for _ in 0..<3 {
            let client = try Client(connect())
            #expect(try await client.call("get-tuple", Self.tuple) == 200)
            client.reader.leave()
        }
    }

    @Test("an answer that is larger than all that may be held is given when it is alone")
    func larger() async throws {
        try await put(2)
        let first = try Client(connect())
        let second = try Client(connect())
        #expect(try await first.call("get-tuple", Self.tuple) == 200)
        #expect(try await second.call("get-tuple", Self.tuple) == 503)
        second.read()
        first.read()
        #expect(try await second.call("get-tuple", Self.tuple) == 200)
    }
}
