import CheckpointAPI
import Checkpoints
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOEmbedded
import Observability
import SQLiteStorage
import TestSupport
import Testing
import Tracing

/// The spans of requests, whichever way they are answered.
@Suite("Traced requests", .timeLimit(.minutes(5)))
struct TracingTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let parent = "00-\(trace)-00f067aa0ba902b7-01"
    private static let unsampled = "00-\(trace)-00f067aa0ba902b7-00"
    private static let mark = "CANARY"
    private static let traceParent = HTTPField.Name("traceparent") ?? .cacheControl

    private static let put = """
        {"thread_id":"\(mark)","checkpoint_ns":"\(mark)","checkpoint_id":"\(mark)","checkpoint":{"\(mark)":1},\
        "metadata":{},"blobs":[{"channel":"\(mark)","version":"1","type":"\(mark)","blob":"AAAA"}]}
        """
    private static let writes = """
        {"thread_id":"\(mark)","checkpoint_id":"1","writes":[\
        {"task_id":"\(mark)","idx":0,"channel":"c","type":"t","blob":"AAAA"}]}
        """

    /// A request whose body is collected is answered without a task, one in chunks is not.
    private enum Way: CaseIterable {
        case direct
        case middleware

        func send(_ path: String, _ body: String, _ fields: String, _ client: inout RawClient) async throws -> String {
            let fields = fields + "x-milepost-tenant: \(mark)\r\nx-request-id: abc\r\n"
            switch self {
            case .direct: try await client.post(path, body, fields)
            case .middleware:
                try await client.send(
                    "POST \(path) HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\(fields)"
                        + "transfer-encoding: chunked\r\n\r\n\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                )
            }
            return await client.answer()
        }
    }

    /// Sends requests to a server over a SQLite store.
    private func serve(
        _ recorder: SpanRecorder,
        percent: Int = 100,
        _ body: @escaping @Sendable (inout RawClient) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("store.db"))
        let observation = Observation(tracer: recorder.tracer(percent: percent), scheme: "https")
        let interface = buildInterface(store: store, observation: observation, logger: TestServer.silent)
        try await TestServer.run(interface) { server in
            var client = try await RawClient(server)
            try await body(&client)
        }
        await store.close()
    }

    @Test("a call is a span below that of its caller, with its steps below it", arguments: Way.allCases)
    private func tree(_ way: Way) async throws {
        let recorder = SpanRecorder()
        try await serve(recorder) { client in
            let answer = try await way.send(
                "/checkpoints/put-writes", Self.writes, "traceparent: \(Self.parent)\r\ntracestate: a=\(Self.mark)\r\n",
                &client)
            #expect(answer.hasPrefix("HTTP/1.1 204"))
        }
        let call = try #require(recorder.spans.last)
        #expect(call.name == "POST /checkpoints/put-writes")
        #expect(call.kind == .server && call.status == nil)
        #expect(call.traceID.hexadecimal == Self.trace && call.parent?.hexadecimal == "00f067aa0ba902b7")
        #expect(
            call.attributes.map { "\($0.name)=\($0.value)" } == [
                #"http.request.method=string("POST")"#, #"url.scheme=string("https")"#,
                #"milepost.request_id=string("abc")"#, #"http.route=string("/checkpoints/put-writes")"#,
                "http.response.status_code=int64(204)",
            ]
        )
        let steps = recorder.spans.dropLast()
        #expect(steps.map(\.name) == ["receive", "queue", "apply", "commit"])
        for step in steps {
            #expect(step.traceID == call.traceID && step.parent == call.spanID && step.kind == .internal)
            #expect(step.start >= call.start && step.end <= call.end && step.attributes.isEmpty)
        }
        #expect(Set(recorder.spans.map(\.spanID)).count == recorder.spans.count)
    }

    @Test("a read is a step too", arguments: Way.allCases)
    private func read(_ way: Way) async throws {
        let recorder = SpanRecorder()
        try await serve(recorder) { client in
            _ = try await way.send("/checkpoints/get-tuple", #"{"thread_id":"t"}"#, "", &client)
        }
        #expect(recorder.spans.last?.name == "POST /checkpoints/get-tuple" && recorder.spans.last?.parent == nil)
        #expect(recorder.spans.map(\.name).contains("read"))
    }

    @Test("what is not sampled makes no span", arguments: Way.allCases)
    private func unsampled(_ way: Way) async throws {
        let (none, all) = (SpanRecorder(), SpanRecorder())
        try await serve(none, percent: 0) { client in
            _ = try await way.send("/checkpoints/put-writes", Self.writes, "", &client)
        }
        try await serve(all) { client in
            _ = try await way.send(
                "/checkpoints/put-writes", Self.writes, "traceparent: \(Self.unsampled)\r\n", &client)
        }
        #expect(none.spans.isEmpty && all.spans.isEmpty)
    }

    @Test("what is sampled by who came before is traced, and what is malformed begins a trace", arguments: Way.allCases)
    private func decisions(_ way: Way) async throws {
        let (none, all) = (SpanRecorder(), SpanRecorder())
        try await serve(none, percent: 0) { client in
            _ = try await way.send("/checkpoints/put-writes", Self.writes, "traceparent: \(Self.parent)\r\n", &client)
        }
        #expect(none.spans.last?.traceID.hexadecimal == Self.trace)
        try await serve(all) { client in
            let twice = "traceparent: \(Self.parent)\r\ntraceparent: \(Self.parent)\r\n"
            _ = try await way.send("/checkpoints/put-writes", Self.writes, twice, &client)
        }
        let call = try #require(all.spans.last)
        #expect(call.traceID.hexadecimal != Self.trace && call.parent == nil)
    }

    @Test("nothing of a body, a thread's id or a header is in any byte that is exported", arguments: Way.allCases)
    private func canaries(_ way: Way) async throws {
        let recorder = SpanRecorder()
        try await serve(recorder) { client in
            let fields =
                "traceparent: \(Self.parent)\r\ntracestate: a=\(Self.mark)\r\nauthorization: Bearer \(Self.mark)\r\n"
            for path in ["put", "put-writes", "get-tuple", "list", "\(Self.mark)", "put?\(Self.mark)"] {
                _ = try await way.send("/checkpoints/\(path)", Self.put, fields, &client)
            }
            for path in [
                "/threads/\(Self.mark)", "/threads?after=\(Self.mark)", "/\(Self.mark)", "/threads/\(Self.mark)/x",
            ] {
                try await client.send("GET \(path) HTTP/1.1\r\nhost: \(Self.mark)\r\n\(fields)\r\n")
                _ = await client.answer()
            }
            try await client.send("\(Self.mark) /threads HTTP/1.1\r\nhost: x\r\n\r\n")
            _ = await client.answer()
        }
        #expect(recorder.spans.filter { $0.kind == .server }.count == 10)
        let body = OTLPDocument(service: "milepost", version: "1", instance: "i").body(recorder.spans)
        #expect(!String(decoding: body, as: UTF8.self).contains(Self.mark))
    }

    @Test("a span is named for its route, and for no path that is none")
    func names() async throws {
        let recorder = SpanRecorder()
        try await APIClient.run(observation: Observation(tracer: recorder.tracer())) { client in
            for path in ["/threads/x", "/threads", "/threads?limit=1", "/nothing", "/openapi.json"] {
                _ = try await client.send(.get, path)
            }
            _ = try await client.send(.delete, "/checkpoints/put")
            _ = try await client.send(.init("BREW") ?? .get, "/nothing")
        }
        #expect(
            recorder.spans.filter { $0.kind == .server }.map(\.name) == [
                "GET /threads/{thread_id}", "GET /threads", "GET /threads", "GET", "GET /openapi.json",
                "DELETE /checkpoints/put", "HTTP",
            ]
        )
        #expect(recorder.spans.last?["http.request.method"] == "_OTHER")
    }

    @Test("a status of 5xx is an error, and of 4xx none")
    func errors() async throws {
        let recorder = SpanRecorder()
        let store = FailingStore(error: StoreError(.busy, during: "list", detail: Self.mark))
        try await APIClient.run(store: store, observation: Observation(tracer: recorder.tracer())) { client in
            _ = try await client.post("list", #"{"thread_id":"t"}"#)
            _ = try await client.post("list", "{")
        }
        let calls = recorder.spans.filter { $0.kind == .server }
        #expect(calls.map(\.status) == [.error, nil])
        #expect(calls.map { $0["error.type"] } == ["503", nil])
    }

    @Test("a health check is traced only when it brings a trace")
    func quiet() async throws {
        let recorder = SpanRecorder()
        try await APIClient.run(observation: Observation(tracer: recorder.tracer())) { client in
            for path in ["/healthz", "/readyz", "/metrics"] { _ = try await client.send(.get, path) }
            #expect(recorder.spans.isEmpty)
            _ = try await client.send(.get, "/healthz", headers: [Self.traceParent: Self.parent])
        }
        #expect(recorder.spans.map(\.name) == ["GET /healthz"])
    }

    @Test("the log line has the id of a trace that came, or is recorded")
    func logged() async throws {
        for (percent, sent, isLogged) in [
            (100, nil, true), (0, nil, false), (0, Self.parent, true), (100, Self.unsampled, true),
        ] as [(Int, String?, Bool)] {
            let (log, spans) = (RequestLogTests.Recorder(), SpanRecorder())
            let observation = Observation(tracer: spans.tracer(percent: percent))
            try await APIClient.run(observation: observation, logger: log.logger) { client in
                var headers: HTTPFields = [.contentType: "application/json"]
                headers[Self.traceParent] = sent
                _ = try await client.send(.post, "/checkpoints/list", headers: headers, body: #"{"thread_id":"t"}"#)
            }
            let line = try #require(log.lines.first)
            #expect((line.metadata["trace_id"] != nil) == isLogged)
            if sent != nil { #expect(line.metadata["trace_id"] == Self.trace) }
            if let call = spans.spans.last { #expect(line.metadata["trace_id"] == call.traceID.hexadecimal) }
        }
    }

    @Test("without a tracer nothing is traced, whatever a request brings")
    func off() async throws {
        let log = RequestLogTests.Recorder()
        try await APIClient.run(logger: log.logger) { client in
            _ = try await client.send(.get, "/threads", headers: [Self.traceParent: Self.parent])
        }
        #expect(log.lines.count == 1 && log.lines.first?.metadata["trace_id"] == nil)
    }

    @Test("a client that goes away leaves a span that says so")
    func gone() async throws {
        let recorder = SpanRecorder()
        let observation = Observation(tracer: recorder.tracer())
        let interface = buildInterface(store: MemoryStore(), observation: observation, logger: TestServer.silent)
        let body = AsyncThrowingStream<ByteBuffer, any Error> { $0.finish(throwing: ChannelError.eof) }
        let head = HTTPRequest(method: .post, scheme: "http", authority: "x", path: "/checkpoints/put")
        let source = ApplicationRequestContextSource(channel: EmbeddedChannel(), logger: TestServer.silent)
        await #expect(throws: (any Error).self) {
            let request = Request(head: head, body: RequestBody(asyncSequence: body))
            _ = try await interface.responder.respond(to: request, context: APIContext(source: source))
        }
        let span = try #require(recorder.spans.first)
        #expect(span.name == "POST /checkpoints/put" && span.status == .error)
        #expect(span["error.type"] == "unanswered" && span["http.response.status_code"] == nil)
    }
}
