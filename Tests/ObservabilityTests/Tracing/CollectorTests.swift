import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Observability
import Synchronization
import Testing

@Suite("The connection to a collector", .timeLimit(.minutes(5)))
struct CollectorTests {
    private struct Call: Sendable {
        let path: String
        let headers: HTTPFields
        let body: String
    }

    private final class Calls: Sendable {
        let all = Mutex<[Call]>([])
    }

    /// Runs `body` with the port of a server that gives the answers of `answer`.
    private func serve(
        _ answer: @escaping @Sendable () async throws -> Response,
        _ body: (Int, Calls) async throws -> Void
    ) async throws {
        let calls = Calls()
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in
                let content = String(buffer: try await request.body.collect(upTo: 1 << 20))
                let call = Call(path: request.head.path ?? "", headers: request.headers, body: content)
                calls.all.withLock { $0.append(call) }
                return try await answer()
            },
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { port.yield($0.localAddress?.port ?? 0) },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let running = Task { try await application.run() }
        defer { running.cancel() }
        let found = try #require(await ports.first { _ in true })
        try await body(found, calls)
    }

    private func send(_ url: String, limit: Duration = .seconds(20)) async throws -> SpanExporter.Outcome {
        let collector = Collector(try CollectorURL(url), agent: "milepost/1.2.3")
        let outcome = await collector.send(Array(#"{"a":1}"#.utf8), limit: limit)
        await collector.close()
        return outcome
    }

    @Test("the body is posted as JSON, with the URL's user and password")
    func post() async throws {
        try await serve {
            Response(status: .ok)
        } _: { port, calls in
            let outcome = try await send("http://ann%40x:p%3Aw@127.0.0.1:\(port)/v1/traces?x=1")
            #expect(outcome == .taken)
            let call = try #require(calls.all.withLock { $0.first })
            #expect(call.path == "/v1/traces?x=1" && call.body == #"{"a":1}"#)
            #expect(call.headers[.contentType] == "application/json")
            #expect(call.headers[.userAgent] == "milepost/1.2.3")
            #expect(call.headers[.authorization] == "Basic YW5uQHg6cDp3")
        }
    }

    @Test(
        "which answers are worth another try",
        arguments: [
            (200, nil, .taken), (202, nil, .taken), (400, nil, .refused("the answer's status is 400")),
            (404, "5", .refused("the answer's status is 404")),
            (301, nil, .refused("the answer's status is 301")),
            (500, nil, .refused("the answer's status is 500")),
            (429, "7", .failed("the answer's status is 429", retryAfter: .seconds(7))),
            (503, "1", .failed("the answer's status is 503", retryAfter: .seconds(1))),
            (503, "Wed, 21 Oct 2026 07:28:00 GMT", .failed("the answer's status is 503", retryAfter: nil)),
            (503, "-1", .failed("the answer's status is 503", retryAfter: nil)),
            (502, nil, .failed("the answer's status is 502", retryAfter: nil)),
            (504, nil, .failed("the answer's status is 504", retryAfter: nil)),
        ] as [(Int, String?, SpanExporter.Outcome)])
    func outcomes(_ status: Int, _ retryAfter: String?, _ expected: SpanExporter.Outcome) async throws {
        try await serve {
            var response = Response(status: .init(code: status))
            response.headers[.retryAfter] = retryAfter
            return response
        } _: { port, _ in
            let outcome = try await send("http://127.0.0.1:\(port)")
            #expect(outcome == expected)
        }
    }

    @Test("a collector that is not there, or does not answer, is a failure in time")
    func failures() async throws {
        let gone = try await send("http://127.0.0.1:1/")
        #expect(gone == .failed("the connection is refused", retryAfter: nil))
        try await serve {
            try await Task.sleep(for: .seconds(600))
            return Response(status: .ok)
        } _: { port, _ in
            let slow = try await send("http://127.0.0.1:\(port)/", limit: .milliseconds(50))
            #expect(slow == .failed("no answer in time", retryAfter: nil))
        }
    }

    @Test("a sending goes on when its task is cancelled")
    func cancelled() async throws {
        let arrived = AsyncStream.makeStream(of: Void.self), letGo = AsyncStream.makeStream(of: Void.self)
        try await serve {
            arrived.continuation.yield()
            for await _ in letGo.stream { break }
            return Response(status: .ok)
        } _: { port, _ in
            let sending = Task { try await send("http://127.0.0.1:\(port)/") }
            for await _ in arrived.stream { break }
            sending.cancel()
            letGo.continuation.yield()
            let outcome = try await sending.value
            #expect(outcome == .taken)
        }
    }

    @Test(
        "a URL of a host alone is that of its traces; what is shown has no secret",
        arguments: [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("HTTP://[::1]:4318/", "http://[::1]:4318/v1/traces"),
            ("https://collector.example/otlp/v1/traces", "https://collector.example/otlp/v1/traces"),
            ("https://ann:secret@collector.example/x?key=secret", "https://collector.example/x"),
            ("https://ann:se@cret@collector.example", "https://collector.example/v1/traces"),
            ("https://collector.example?key=secret", "https://collector.example/v1/traces"),
        ])
    func urls(_ url: String, _ shown: String) throws {
        #expect(try CollectorURL(url).description == shown)
    }

    @Test(
        "what is no URL is refused in a sentence that shows nothing of it",
        arguments: [
            "", "collector:4318", "ftp://collector.example", "http://", "https://ann:secret@", "http://a b/",
            "http://x/#secret", "http://x\\secret", "grpc://secret:4317", "http:///v1/traces",
        ])
    func refused(_ url: String) throws {
        let error = try #require(throws: CollectorURL.Refused.self) { try CollectorURL(url) }
        #expect(error.description.contains("give one such as http://127.0.0.1:4318/v1/traces"))
        #expect(!error.description.contains("secret"))
    }
}
