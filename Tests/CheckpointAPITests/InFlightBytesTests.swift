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

/// Takes of the budget as a request's body does, and gives back when it is dropped.
final class HeldBody {
    private var reservation: BodyReservation
    var bytes: Int { reservation.bytes }

    init(in budget: BodyBudget?) { reservation = BodyReservation(in: budget) }

    func grow(to total: Int) -> Bool { reservation.grow(to: total) }
    func release() { reservation.release() }
}

/// The budget for the bodies that are in memory at one time: who takes of it, and that everything comes back.
@Suite("Bytes in flight", .timeLimit(.minutes(5)))
struct InFlightBytesTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    // MARK: - The budget

    @Test("a reservation grows, and gives everything back once")
    func reservation() {
        let budget = BodyBudget(limit: 1_000)
        do {
            let first = HeldBody(in: budget)
            let second = HeldBody(in: budget)
            #expect(first.grow(to: 0) && first.grow(to: 600) && first.grow(to: 10))
            #expect(first.bytes == 600 && budget.bytesInUse == 600)
            #expect(second.grow(to: 300) && !second.grow(to: 500))
            #expect(second.bytes == 300 && budget.bytesInUse == 900)
            first.release()
            first.release()
            #expect(budget.bytesInUse == 300)
            #expect(second.grow(to: 500) && first.grow(to: 500))
        }
        #expect(budget.bytesInUse == 0)
        let uncounted = HeldBody(in: nil)
        #expect(uncounted.grow(to: .max))
    }

    @Test("a large body may take the limit, a small one a sixteenth more, so that large ones do not shut it out")
    func small() {
        let small = BodyBudget.smallBytes
        let budget = BodyBudget(limit: 64 * small)
        let large = HeldBody(in: budget)
        #expect(!large.grow(to: 64 * small + 1))
        #expect(large.grow(to: 64 * small))
        let another = HeldBody(in: budget)
        #expect(!another.grow(to: small + 1))
        for _ in 0..<2 {
            var others = (0..<4).map { _ in HeldBody(in: budget) }
            for other in others { #expect(other.grow(to: small)) }
            #expect(!another.grow(to: 1))
            others.removeFirst()
            #expect(another.grow(to: small) && !another.grow(to: small + 1))
            another.release()
        }
        #expect(budget.bytesInUse == 64 * small)
    }

    @Test("large bodies never go over the limit together, and all comes back")
    func concurrent() async {
        let budget = BodyBudget(limit: 10_000_000)
        let most = await withTaskGroup(of: Int.self) { group in
            for task in 0..<8 {
                group.addTask { @concurrent in
                    var most = 0
                    for step in 1...2_000 {
                        var reservation = BodyReservation(in: budget)
                        guard reservation.grow(to: 2_000_000 + task * 1_000 + step) else { continue }
                        most = max(most, budget.bytesInUse)
                        if step.isMultiple(of: 2) { reservation.release() }
                    }
                    return most
                }
            }
            return await group.reduce(0) { max($0, $1) }
        }
        #expect(budget.bytesInUse == 0)
        #expect((1...10_000_000).contains(most))
    }

    // MARK: - On the connection's event loop

    /// A connection to the whole interface over a store in memory, whose answers are made in tasks.
    private struct Connection {
        let channel: EmbeddedChannel
        let budget: BodyBudget

        init(limit: Int, store: some ThreadStore & StoreMaintenance = MemoryStore()) {
            let interface = buildInterface(
                store: store,
                limits: APILimits(bodyBytes: limit, inFlightBytes: limit),
                logger: logger
            )
            budget = interface.budget
            channel = EmbeddedChannel(handler: interface.connectionHandler(logger: logger))
        }

        func send(_ parts: HTTPRequestPart...) throws {
            for part in parts { try channel.writeInbound(part) }
        }

        /// The next answer, which another thread makes.
        func answer() async throws -> (head: HTTPResponse, body: String) {
            var head: HTTPResponse?
            var body = ""
            while true {
                channel.embeddedEventLoop.run()
                switch try channel.readOutbound(as: HTTPResponsePart.self) {
                case .head(let received): head = received
                case .body(let part): body += String(buffer: part)
                case .end: return (try #require(head), body)
                case nil: try await Task.sleep(for: .milliseconds(1))
                }
            }
        }

        /// The bodies' bytes and the ends among what was passed on.
        func passedOn() throws -> [String] {
            var parts: [String] = []
            while let part = try channel.readInbound(as: HTTPRequestPart.self) {
                switch part {
                case .head(let head): parts.append(head.path ?? "")
                case .body(let body): parts.append(String(buffer: body))
                case .end: parts.append("end")
                }
            }
            return parts
        }
    }

    private static func head(_ call: String, length: Int?) -> HTTPRequestPart {
        var fields: HTTPFields = [.contentType: "application/json"]
        fields[.contentLength] = length.map { String($0) }
        return .head(
            HTTPRequest(
                method: .post,
                scheme: "http",
                authority: "x",
                path: "/checkpoints/" + call,
                headerFields: fields
            )
        )
    }

    private static func body(_ text: String) -> HTTPRequestPart { .body(ByteBuffer(string: text)) }

    private static let thread = #"{"thread_id":"t"}"#

    @Test(
        "a body counts from its head to its answer, whatever that is, and once",
        arguments: [("list", thread, 200), ("put", thread, 422), ("list", "}", 422), ("nothing", thread, 404)]
    )
    func wholeRequest(_ call: String, _ body: String, _ status: Int) async throws {
        // Twice as much would not fit.
        let connection = Connection(limit: body.utf8.count)
        for _ in 0..<2 {
            try connection.send(Self.head(call, length: body.utf8.count))
            #expect(connection.budget.bytesInUse == body.utf8.count)
            try connection.send(Self.body(body), .end(nil))
            let answer = try await connection.answer()
            #expect(answer.head.status.code == status)
            #expect(connection.budget.bytesInUse == 0)
        }
        #expect(try connection.passedOn() == [])
    }

    @Test("a body that does not fit is passed on before any of it is kept, and those behind it in their order")
    func wholeRequestThatDoesNotFit() async throws {
        let connection = Connection(limit: 20)
        let other = HeldBody(in: connection.budget)
        #expect(other.grow(to: 5))
        try connection.send(Self.head("list", length: 17), Self.body(Self.thread))
        #expect(try connection.passedOn() == ["/checkpoints/list", Self.thread])
        other.release()
        // What follows waits for the answer that the other way gives.
        try connection.send(.end(nil), Self.head("put", length: 2), Self.body("{}"), .end(nil))
        #expect(try connection.passedOn() == ["end", "/checkpoints/put", "{}", "end"])
        #expect(connection.budget.bytesInUse == 0)
        for _ in 0..<2 {
            try connection.channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .serviceUnavailable)))
            try connection.channel.writeOutbound(HTTPResponsePart.end(nil))
            #expect(try await connection.answer().head.status == .serviceUnavailable)
        }
        try connection.send(Self.head("list", length: 17), Self.body(Self.thread), .end(nil))
        #expect(try await connection.answer().head.status == .ok)
    }

    @Test("pipelined bodies are counted one at a time, and answered in their order")
    func pipelined() async throws {
        let connection = Connection(limit: 17)
        for call in ["list", "put", "delete-thread", "list"] {
            try connection.send(Self.head(call, length: 17), Self.body(Self.thread), .end(nil))
        }
        #expect(connection.budget.bytesInUse == 17)
        var statuses: [Int] = []
        for _ in 0..<4 { statuses.append(try await connection.answer().head.status.code) }
        #expect(statuses == [200, 422, 204, 200])
        #expect(connection.budget.bytesInUse == 0)
    }

    @Test("a client that leaves in the middle of its body leaves nothing behind", arguments: [false, true])
    func gone(_ withError: Bool) throws {
        let connection = Connection(limit: 100)
        try connection.send(Self.head("list", length: 17), Self.body("{"))
        #expect(connection.budget.bytesInUse == 17)
        if withError {
            struct EndOfInput: Error {}
            connection.channel.pipeline.fireErrorCaught(EndOfInput())
            #expect(throws: EndOfInput.self) { try connection.channel.throwIfErrorCaught() }
        } else {
            try connection.channel.close().wait()
        }
        #expect(connection.budget.bytesInUse == 0)
    }

    /// Answers when it is let go.
    private final class Slow: HTTPResponder {
        typealias Context = APIContext
        let waiting = Mutex<CheckedContinuation<Void, Never>?>(nil)

        @concurrent
        func respond(to request: Request, context: APIContext) async throws -> Response {
            await withCheckedContinuation { waits in waiting.withLock { $0 = waits } }
            return Response(status: .ok)
        }
    }

    @Test("a body counts while its answer is made, also for a client that has left or does not read")
    func answering() throws {
        for ending in ["reads", "does not read", "leaves"] {
            let budget = BodyBudget(limit: 100)
            let responder = Slow()
            let direct = DirectCalls([], access: .forEverybody, log: RequestLog(logger: Self.logger))
            let channel = EmbeddedChannel(
                handler: WholeRequestHandler(
                    responder: responder,
                    direct: direct,
                    budget: budget,
                    logger: Self.logger
                )
            )
            for part in [Self.head("list", length: 17), Self.body(Self.thread), .end(nil)] {
                try channel.writeInbound(part)
            }
            switch ending {
            case "leaves": try channel.close().wait()
            case "does not read": channel.isWritable = false
            default: break
            }
            channel.embeddedEventLoop.run()
            #expect(budget.bytesInUse == 17)
            responder.waiting.withLock { $0 }?.resume()
            channel.embeddedEventLoop.run()
            #expect(budget.bytesInUse == 0)
        }
    }
}
