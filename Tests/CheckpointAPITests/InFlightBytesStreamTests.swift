import CheckpointAPI
import Checkpoints
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

/// The same budget on the ordinary way of a request, where its body is streamed.
@Suite("Bytes in flight, streamed", .timeLimit(.minutes(5)))
struct InFlightBytesStreamTests {
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// How a body ends.
    enum Ending: CaseIterable, Sendable {
        case end, clientLeaves, taskIsCancelled
    }

    /// A body in parts that notes how much of the budget is taken whenever it is asked for the next.
    private final class Parts: AsyncSequence, AsyncIteratorProtocol, Sendable {
        typealias Element = ByteBuffer
        private let parts: Mutex<[String]>
        private let ending: Ending
        private let budget: BodyBudget
        private let noted = Mutex<[Int]>([])
        var seen: [Int] { noted.withLock { $0 } }

        init(_ parts: [String], _ ending: Ending = .end, budget: BodyBudget) {
            self.parts = Mutex(parts)
            self.ending = ending
            self.budget = budget
        }

        func makeAsyncIterator() -> Parts { self }

        func next() async throws -> ByteBuffer? {
            noted.withLock { $0.append(budget.bytesInUse) }
            if let part = parts.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return ByteBuffer(string: part) }
            switch ending {
            case .end: return nil
            case .clientLeaves: throw ChannelError.eof
            case .taskIsCancelled:
                withUnsafeCurrentTask { $0?.cancel() }
                try Task.checkCancellation()
                return nil
            }
        }
    }

    private struct Sent {
        let response: Response
        /// What of the budget was taken at each part, and at the end.
        let seen: [Int]
    }

    /// Sends a body in parts, with its length announced or not.
    private func send(
        _ parts: [String],
        _ ending: Ending = .end,
        length: Int? = nil,
        to interface: HTTPInterface<some HTTPResponder<APIContext>>
    ) async throws -> Sent {
        var fields: HTTPFields = [.contentType: "application/json"]
        fields[.contentLength] = length.map { String($0) }
        let head = HTTPRequest(
            method: .post,
            scheme: "http",
            authority: "x",
            path: "/checkpoints/put",
            headerFields: fields
        )
        let body = Parts(parts, ending, budget: interface.budget)
        let channel = EmbeddedChannel()
        let context = APIContext(source: ApplicationRequestContextSource(channel: channel, logger: Self.logger))
        let request = Request(head: head, body: RequestBody(asyncSequence: body))
        let response = try await interface.responder.respond(to: request, context: context)
        return Sent(response: response, seen: body.seen)
    }

    private func interface(
        _ limits: APILimits,
        store: some ThreadStore & StoreMaintenance = MemoryStore()
    ) -> HTTPInterface<some HTTPResponder<APIContext>> {
        buildInterface(store: store, limits: limits, logger: Self.logger)
    }

    private static let parts = [#"{"thread_id":"t","#, #""checkpoint_id":"c","#, #""checkpoint":{}}"#]
    private static let length = parts.joined().utf8.count

    @Test("an announced body is counted before it is read, another as it arrives")
    func counted() async throws {
        let interface = interface(APILimits(bodyBytes: 1_000))
        let announced = try await send(Self.parts, length: Self.length, to: interface)
        #expect(announced.response.status == .ok)
        #expect(announced.seen == [Self.length, Self.length, Self.length, Self.length])
        let chunked = try await send(Self.parts, to: interface)
        #expect(chunked.response.status == .ok)
        #expect(chunked.seen == [0, 17, 37, 53])
        #expect(interface.budget.bytesInUse == 0)
    }

    @Test("a body that does not fit is 503, without being read, or as soon as it does not fit")
    func refused() async throws {
        let interface = interface(APILimits(bodyBytes: 100, inFlightBytes: 100))
        let other = HeldBody(in: interface.budget)
        #expect(other.grow(to: 70))
        let announced = try await send(Self.parts, length: Self.length, to: interface)
        #expect(announced.seen == [])
        let chunked = try await send(Self.parts, to: interface)
        #expect(chunked.seen == [70, 87])
        for sent in [announced, chunked] {
            #expect(sent.response.status == .serviceUnavailable)
            #expect(sent.response.headers[.retryAfter] == "1")
            #expect(sent.response.headers[.contentType] == "application/json")
        }
        #expect(interface.budget.bytesInUse == 70)
        other.release()
        #expect(try await send(Self.parts, to: interface).response.status == .ok)
    }

    @Test("the refusal names the option")
    func words() async throws {
        try await APIClient.run(limits: APILimits(bodyBytes: 100, inFlightBytes: 10)) { client in
            let answer = try await client.post("list", #"{"thread_id":"t"}"#)
            #expect(answer.status == 503)
            #expect(answer["retry-after"] == "1")
            #expect(answer["x-request-id"] != nil)
            #expect(
                answer.body
                    == #"{"detail":"The server holds as many bytes of request bodies as it may: 10 "#
                    + #"(max-in-flight-bytes); send the request again"}"#
            )
        }
    }

    @Test("nothing is left behind, however a request ends", arguments: Ending.allCases, [true, false])
    func released(_ ending: Ending, _ isAnnounced: Bool) async throws {
        let interface = interface(APILimits(bodyBytes: 60))
        for (parts, status) in [(Self.parts, 200), (["{", "}"], 422), (["{"], 422), (Self.parts + Self.parts, 413)] {
            let length = parts.joined().utf8.count
            let announced = isAnnounced ? length : nil
            if ending == .end || status == 413 {
                let sent = try await send(parts, ending, length: announced, to: interface)
                #expect(sent.response.status.code == status)
            } else {
                // Nobody is left to answer.
                await #expect(throws: (any Error).self) {
                    _ = try await send(parts, ending, length: announced, to: interface)
                }
            }
            #expect(interface.budget.bytesInUse == 0)
        }
    }

    @Test("a body counts while the store works on it, and no longer when the store fails")
    func whileStored() async throws {
        let budget = Mutex<BodyBudget?>(nil)
        let seen = Atomic(0)
        let error = StoreError(.busy, during: "put a checkpoint")
        let store = FailingStore(error: error) {
            seen.store(budget.withLock { $0?.bytesInUse ?? 0 }, ordering: .relaxed)
        }
        let interface = interface(APILimits(), store: store)
        budget.withLock { $0 = interface.budget }
        #expect(try await send(Self.parts, to: interface).response.status == .serviceUnavailable)
        #expect(seen.load(ordering: .relaxed) == Self.length)
        #expect(interface.budget.bytesInUse == 0)
    }
}
