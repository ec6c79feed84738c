import CheckpointAPI
import Checkpoints
import Glibc
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import Synchronization
import Testing

@Suite("The request log", .timeLimit(.minutes(5)))
struct RequestLogTests {
    /// Keeps what was logged.
    final class Recorder: Sendable {
        struct Line: Sendable {
            let level: Logger.Level
            let message: String
            let metadata: [String: String]
        }

        private let recorded = Mutex<[Line]>([])
        var lines: [Line] { recorded.withLock { $0 } }
        func record(_ line: Line) { recorded.withLock { $0.append(line) } }
        var logger: Logger { Logger(label: "test") { _ in Handler(recorder: self) } }
    }

    private struct Handler: LogHandler {
        let recorder: Recorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            recorder.record(
                .init(level: event.level, message: event.message.description, metadata: all.mapValues(\.description))
            )
        }
    }

    @Test("one line a request, with the id of the answer")
    func oneLine() async throws {
        let recorder = Recorder()
        try await APIClient.run(logger: recorder.logger) { client in
            let answer = try await client.post("list?x=secret", #"{"thread_id":"t"}"#)
            let line = try #require(recorder.lines.first)
            #expect(recorder.lines.count == 1)
            #expect(line.level == .info)
            #expect(line.message == "request answered")
            #expect(Set(line.metadata.keys) == ["request_id", "method", "path", "status", "duration_ms"])
            #expect(line.metadata["request_id"] == answer["x-request-id"])
            #expect(line.metadata["status"] == "200")
            #expect(line.metadata["path"] == "/checkpoints/list")
            #expect(line.metadata["duration_ms"]?.wholeMatch(of: /[0-9]+\.[0-9]{3}/) != nil)
        }
    }

    @Test("no value of a body or a header is ever logged")
    func nothingOfTheBody() async throws {
        let recorder = Recorder()
        let mark = "MARK"
        try await APIClient.run(logger: recorder.logger) { client in
            let put = """
                {"thread_id":"\(mark)","checkpoint_ns":"\(mark)","checkpoint_id":"\(mark)","checkpoint":{"\(mark)":"\(mark)"},\
                "metadata":{"\(mark)":1},"blobs":[{"channel":"\(mark)","version":"\(mark)","type":"\(mark)","blob":"\(mark)"}]}
                """
            #expect(try await client.post("put", put).status == 200)
            #expect(try await client.post("put", put.replacing("\"blobs\":[", with: "\"blobs\":[5,")).status == 422)
            #expect(try await client.post("put-writes", "{\"thread_id\":\"\(mark)\",\(mark)").status == 422)
            _ = try await client.post("get-tuple", "{\"thread_id\":\"\(mark)\"}")
            _ = try await client.send(
                .post,
                "/checkpoints/list",
                headers: [.contentType: "application/json", .authorization: "Bearer \(mark)"],
                body: "{\"thread_id\":\"\(mark)\",\"filter_metadata\":{\"a\":\"\(mark)\"}}"
            )
        }
        #expect(recorder.lines.count == 5)
        #expect(!recorder.lines.contains { "\($0)".contains(mark) })
    }

    @Test(
        "a path is logged without a thread's id, also one that is of nothing",
        arguments: [
            ("/threads/MARK", "/threads/{thread_id}"), ("/threads/MARK?x", "/threads/{thread_id}"),
            ("/threads/MARK/events", "/threads/{thread_id}/events"), ("/threads/MA/RK", "/threads/{thread_id}/?"),
            ("/threads/MA/RK/events", "/threads/{thread_id}/?"), ("/threads//events", "/threads/{thread_id}/?"),
        ]
    )
    func threadPaths(_ path: String, _ shown: String) async throws {
        let recorder = Recorder()
        try await APIClient.run(logger: recorder.logger) { client in
            _ = try await client.send(.post, path, body: "")
        }
        #expect(recorder.lines.map { $0.metadata["path"] } == [shown])
    }

    @Test("an error of the store is logged in full under the answer's id, as an error when it is a defect")
    func storeErrors() async throws {
        for (kind, level) in [(StoreError.Kind.unexpected, Logger.Level.error), (.busy, .warning)] {
            let recorder = Recorder()
            let store = FailingStore(error: StoreError(kind, during: "list checkpoints", detail: "words of the engine"))
            try await APIClient.run(store: store, logger: recorder.logger) { client in
                let answer = try await client.post("list", #"{"thread_id":"t"}"#)
                let line = try #require(recorder.lines.first)
                #expect(line.level == level)
                #expect(line.message == "request failed")
                #expect(line.metadata["request_id"] == answer["x-request-id"])
                #expect(line.metadata["error"]?.contains("words of the engine") == true)
            }
        }
    }
    private static let endings: [any Error] = [
        IOError(errnoCode: ECONNRESET, reason: "read"), ChannelError.eof, CancellationError(),
    ]

    @Test("a client that goes away in the middle of its body is no error of the server's", arguments: endings.indices)
    func clientGoes(_ index: Int) async throws {
        let recorder = Recorder()
        let interface = buildInterface(store: MemoryStore(), logger: recorder.logger)
        let body = AsyncThrowingStream<ByteBuffer, any Error> { $0.finish(throwing: Self.endings[index]) }
        let head = HTTPRequest(method: .post, scheme: "http", authority: "x", path: "/checkpoints/put")
        let source = ApplicationRequestContextSource(channel: EmbeddedChannel(), logger: recorder.logger)
        await #expect(throws: (any Error).self) {
            let request = Request(head: head, body: RequestBody(asyncSequence: body))
            _ = try await interface.responder.respond(to: request, context: APIContext(source: source))
        }
        #expect(recorder.lines.count == 0)
    }

    @Test("HEAD is answered without a body, whatever answers it")
    func headOnly() async throws {
        try await APIClient.run { client in
            for (path, status) in [("/checkpoints/put", 405), ("/healthz", 405), ("/nothing", 404)] {
                let answer = try await client.send(.head, path)
                #expect(answer.status == status)
                #expect(answer.body.isEmpty)
                #expect(answer["content-length"] == (status == 404 ? "22" : "31"))
            }
        }
    }
}
