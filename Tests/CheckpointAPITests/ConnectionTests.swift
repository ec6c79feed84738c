import CheckpointAPI
import Checkpoints
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Synchronization
import Testing

/// What becomes of a connection whose client does not behave, or that is being ended.
@Suite("Connections", .timeLimit(.minutes(5)))
struct ConnectionTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    // MARK: - Many requests at once

    /// Answers put-writes before the call returns, and get-tuple when it is let go.
    private final class ImmediateStore: DirectStore, PartialStore {
        typealias Answer<Value> = @Sendable (Result<Value, StoreError>) -> Void
        private let waiting = Mutex<[Answer<CheckpointTuple?>]>([])
        /// Where the stack was in each call of put-writes.
        private let places = Mutex<[UInt]>([])
        var stackBytes: UInt {
            places.withLock { ($0.max() ?? 0) - ($0.min() ?? 0) }
        }

        func putWrites(
            _ groups: [WriteGroup],
            for checkpoint: CheckpointKey,
            then answer: @escaping Answer<Void>
        ) {
            withUnsafeTemporaryAllocation(byteCount: 8, alignment: 8) { bytes in
                let place = UInt(bitPattern: bytes.baseAddress)
                places.withLock { $0.append(place) }
            }
            answer(.success(()))
        }

        func tuple(
            in thread: ThreadKey,
            namespace: Identifier,
            id: Identifier?,
            parts: TupleParts,
            then answer: @escaping Answer<CheckpointTuple?>
        ) { waiting.withLock { $0.append(answer) } }

        func letGo() {
            let answers = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            for answer in answers { answer(.success(nil)) }
        }

        let error = StoreError(.closed, during: "a call that no test makes")
        func put(
            _ checkpoint: Checkpoint,
            blobs: [ChannelBlob],
            expecting head: HeadExpectation,
            then answer: @escaping Answer<PutOutcome>
        ) { answer(.failure(error)) }
        func list(_ query: CheckpointQuery, then answer: @escaping Answer<CheckpointPage>) { answer(.failure(error)) }
    }

    @Test("requests that are answered at once do not pile up on the stack")
    func stack() throws {
        let store = ImmediateStore()
        let interface = buildInterface(store: store, logger: Self.logger)
        let channel = EmbeddedChannel(handler: interface.connectionHandler(logger: Self.logger))
        let count = 2_000
        for number in 0...count {
            let call = number == 0 ? "get-tuple" : "put-writes"
            let body = number == 0 ? #"{"thread_id":"t"}"# : #"{"thread_id":"t","checkpoint_id":"c","writes":[]}"#
            let fields: HTTPFields = [
                .contentType: "application/json", .contentLength: String(body.utf8.count),
                Self.requestID: "r\(number)",
            ]
            try channel.writeInbound(HTTPRequestPart.head(Self.head("/checkpoints/" + call, fields)))
            try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: body)))
            try channel.writeInbound(HTTPRequestPart.end(nil))
        }
        #expect(try channel.readOutbound(as: HTTPResponsePart.self) == nil)
        store.letGo()
        var ids: [String?] = []
        while let part = try channel.readOutbound(as: HTTPResponsePart.self) {
            if case .head(let head) = part { ids.append(head.headerFields[Self.requestID]) }
        }
        #expect(ids == (0...count).map { "r\($0)" })
        #expect(store.stackBytes < 16 * 1_024)
    }

    private static let requestID = HTTPField.Name("x-request-id") ?? .cacheControl

    private static func head(_ path: String, _ fields: HTTPFields) -> HTTPRequest {
        HTTPRequest(method: .post, scheme: "http", authority: "x", path: path, headerFields: fields)
    }

    /// Notes whether what was passed on was said to be complete, as an `NIOAsyncChannel` needs it.
    private final class CompletionWatch: ChannelInboundHandler {
        typealias InboundIn = HTTPRequestPart
        var isComplete = true
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { isComplete = false }
        func channelReadComplete(context: ChannelHandlerContext) { isComplete = true }
    }

    @Test("a request that was held and is then passed on is seen although nothing more comes")
    func heldAndPassedOn() throws {
        let connection = TestConnection()
        let watch = CompletionWatch()
        try connection.channel.pipeline.syncOperations.addHandler(watch)
        try connection.send("/slow", "1")
        try connection.head("/", .get, [:])
        try connection.channel.writeInbound(HTTPRequestPart.end(nil))
        connection.responder.letGo()
        #expect(try connection.answers() == ["1"])
        #expect(watch.isComplete)
    }

    // MARK: - A request that stops arriving

    /// Asks for input as a server does, lets time pass, and says whether the connection is still there.
    private func isOpen(_ connection: TestConnection, after seconds: Int64, reading: Bool = true) -> Bool {
        let isClosed = Mutex(false)
        if reading { connection.channel.read() }
        connection.channel.embeddedEventLoop.advanceTime(by: .seconds(seconds))
        connection.channel.closeFuture.whenComplete { _ in isClosed.withLock { $0 = true } }
        connection.channel.embeddedEventLoop.run()
        return isClosed.withLock { !$0 }
    }

    private static let halves: [HTTPFields] = [[.contentLength: "600"], [.transferEncoding: "chunked"]]

    @Test("a request of which nothing comes for 30 seconds ends its connection", arguments: halves)
    func silent(_ fields: HTTPFields) throws {
        let connection = TestConnection()
        #expect(isOpen(connection, after: 1_000))
        try connection.head("/", .post, fields)
        #expect(isOpen(connection, after: 29))
        try connection.channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "x")))
        #expect(isOpen(connection, after: 29))
        try connection.channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "x")))
        #expect(isOpen(connection, after: 29))
        #expect(!isOpen(connection, after: 1))
        #expect(connection.budget.bytesInUse == 0)
    }

    @Test("a request that came to its end, or that is not asked for, takes its time", arguments: halves)
    func notSilent(_ fields: HTTPFields) throws {
        let connection = TestConnection()
        try connection.head("/", .post, fields)
        #expect(isOpen(connection, after: 1_000, reading: false))
        #expect(isOpen(connection, after: 29))
        try connection.channel.writeInbound(HTTPRequestPart.end(nil))
        #expect(isOpen(connection, after: 1_000))
    }

    @Test("half a request behind one that is being answered waits for that answer")
    func silentBehind() throws {
        let connection = TestConnection()
        try connection.send("/slow", "1")
        try connection.head("/", .post, [.contentLength: "6"])
        #expect(isOpen(connection, after: 1_000))
        connection.responder.letGo()
        #expect(try connection.answers() == ["1"])
        #expect(!isOpen(connection, after: 30))
    }

    // MARK: - A request behind which nothing is parsed

    private static let lasts: [(HTTPRequest.Method, HTTPFields)] = [
        (.get, [.connection: "Upgrade, HTTP2-Settings", .upgrade: "h2c"]),
        (.post, [.contentLength: "0", .upgrade: "websocket"]), (.connect, [:]),
    ]

    @Test("a request to speak something else is answered, and ends its connection", arguments: lasts, [true, false])
    func last(_ request: (HTTPRequest.Method, HTTPFields), _ isBehind: Bool) throws {
        let connection = TestConnection()
        let reads = ReadCounter()
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        if isBehind { try connection.send("/slow", "1") }
        try connection.head("/", request.0, request.1)
        connection.channel.read()
        #expect(reads.count == 1)
        try connection.channel.writeInbound(HTTPRequestPart.end(nil))
        connection.channel.read()
        if isBehind {
            connection.responder.letGo()
            #expect(try connection.answers() == ["1"])
        }
        #expect(try connection.passedOn() == 2)
        #expect(reads.count == 1)
        try connection.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .methodNotAllowed)))
        #expect(isOpen(connection, after: 1_000))
        try connection.channel.writeOutbound(HTTPResponsePart.end(nil))
        guard case .head(let head) = try connection.channel.readOutbound(as: HTTPResponsePart.self) else {
            Issue.record("no answer")
            return
        }
        #expect(head.headerFields[.connection] == "close")
        #expect(!isOpen(connection, after: 0))
        #expect(reads.count == 1)
    }

    // MARK: - Ends

    @Test("the order to end a connection does not overtake the bytes of an answer")
    func quiesceAfterBytes() throws {
        let connection = TestConnection()
        let (events, ends) = (EventCounter(), EndHolder())
        try connection.channel.pipeline.syncOperations.addHandler(events)
        try connection.channel.pipeline.syncOperations.addHandler(ends, position: .first)
        try connection.send("/slow", "1")
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        connection.responder.letGo()
        #expect(try connection.answers() == ["1"])
        #expect(events.count == 0)
        ends.letGo()
        #expect(events.count == 1)
        try connection.send("/", "2")
        #expect(try connection.answers() == ["2"])
    }

    @Test("the order to end a connection waits for a request whose first half was held", arguments: [false, true])
    func quiesceInHalf(_ isHeldToo: Bool) throws {
        let connection = TestConnection()
        let events = EventCounter()
        try connection.channel.pipeline.syncOperations.addHandler(events)
        func second() throws {
            try connection.channel.writeInbound(HTTPRequestPart.body(ByteBuffer(string: "2")))
            try connection.channel.writeInbound(HTTPRequestPart.end(nil))
        }
        try connection.send("/slow", "1")
        try connection.head("/", .post, [.contentLength: "1"])
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        if isHeldToo { try second() }
        connection.responder.letGo()
        #expect(try connection.answers() == (isHeldToo ? ["1", "2"] : ["1"]))
        #expect(events.count == (isHeldToo ? 1 : 0))
        guard !isHeldToo else { return }
        try second()
        #expect(try connection.answers() == ["2"])
        #expect(events.count == 1)
    }

    @Test("an error in a request that was held forgets that request")
    func heldError() throws {
        let connection = TestConnection()
        try connection.send("/slow", "1")
        try connection.head("/", .post, [.contentLength: "600"])
        connection.channel.pipeline.fireErrorCaught(ChannelError.inputClosed)
        connection.responder.letGo()
        #expect(try connection.answers() == ["1"])
        #expect(connection.budget.bytesInUse == 0)
        #expect(throws: ChannelError.self) { try connection.channel.throwIfErrorCaught() }
        try connection.send("/", "2")
        #expect(try connection.answers() == ["2"])
    }

    // MARK: - Expect: 100-continue

    private static let expectations: [(path: String, fields: HTTPFields, isContinued: Bool)] = [
        ("/checkpoints/put", [.expect: "100-continue", .contentLength: "1000"], true),
        ("/checkpoints/put", [.expect: "100-Continue", .transferEncoding: "chunked"], true),
        ("/checkpoints/put", [.expect: "100-continue", .contentLength: "1001"], false),
        ("/checkpoints/other", [.expect: "100-continue", .contentLength: "1"], false),
        ("/checkpoints/put", [.expect: "something", .contentLength: "1"], false),
        ("/checkpoints/put", [.transferEncoding: "chunked"], false),
    ]

    @Test("a client that waits for a go-ahead gets it, when its body will be read", arguments: expectations)
    func goAhead(_ path: String, _ fields: HTTPFields, _ isContinued: Bool) throws {
        let limits = APILimits(bodyBytes: 1_000, inFlightBytes: 1_000)
        let interface = buildInterface(store: MemoryStore(), limits: limits, logger: Self.logger)
        func answers(_ channel: EmbeddedChannel) throws -> [HTTPResponsePart] {
            try channel.writeInbound(HTTPRequestPart.head(Self.head(path, fields)))
            var parts: [HTTPResponsePart] = []
            while let part = try channel.readOutbound(as: HTTPResponsePart.self) { parts.append(part) }
            return parts
        }
        let go: [HTTPResponsePart] = isContinued ? [.head(HTTPResponse(status: .continue))] : []
        let channel = EmbeddedChannel(handler: interface.connectionHandler(logger: Self.logger))
        #expect(try answers(channel) == go)
        // Not out of turn.
        #expect(try answers(channel) == [])
        #expect(interface.budget.bytesInUse == 0)
    }

    @Test("a client that waits for a go-ahead does not get it when the budget is taken")
    func noGoAhead() throws {
        let interface = buildInterface(
            store: MemoryStore(),
            limits: APILimits(bodyBytes: 1_000_000, inFlightBytes: 1_000_000),
            logger: Self.logger
        )
        let other = HeldBody(in: interface.budget)
        #expect(other.grow(to: 900_000))
        let channel = EmbeddedChannel(handler: interface.connectionHandler(logger: Self.logger))
        let fields: HTTPFields = [.expect: "100-continue", .contentLength: "200000"]
        try channel.writeInbound(HTTPRequestPart.head(Self.head("/checkpoints/put", fields)))
        #expect(try channel.readOutbound(as: HTTPResponsePart.self) == nil)
    }
}
