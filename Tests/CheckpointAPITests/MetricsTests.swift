import Authentication
import CheckpointAPI
import Checkpoints
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Observability
import SQLiteStorage
import SystemPackage
import TestSupport
import Testing

/// What is counted of requests, and where it is shown.
@Suite("Metrics", .timeLimit(.minutes(5)))
struct MetricsTests {
    private static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    private static let write =
        #"{"thread_id":"canary","checkpoint_id":"1","writes":[{"task_id":"t","idx":0,"channel":"c","type":"x","blob":""}]}"#

    private func interface(
        _ metrics: ServerMetrics,
        store: some ThreadStore & StoreMaintenance = MemoryStore(),
        access: AccessControl? = nil,
        slowCall: Duration? = nil,
        logger: Logger = silent
    ) -> HTTPInterface<some HTTPResponder<APIContext>> {
        buildInterface(
            store: store, access: access, observation: Observation(metrics: metrics, slowCall: slowCall), logger: logger
        )
    }

    /// Sends a request and returns its answer.
    private func send(
        _ server: TestServer, _ start: String, body: String = "", isStreamed: Bool = false
    ) async throws
        -> String
    {
        var client = try await RawClient(server)
        let head = "\(start) HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        try await client.send(
            isStreamed
                ? head
                    + "transfer-encoding: chunked\r\n\r\n\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                : head + "content-length: \(body.utf8.count)\r\n\r\n\(body)"
        )
        return await client.answer()
    }

    private func lines(_ metrics: ServerMetrics) async -> Set<Substring> {
        Set(await metrics.page().split(separator: "\n"))
    }

    @Test("A request is counted on the way that short ones take and on the other", arguments: [false, true])
    func counts(_ isStreamed: Bool) async throws {
        let metrics = ServerMetrics(version: "1")
        try await TestServer.run(interface(metrics)) { server in
            for _ in 0..<2 {
                let answer = try await send(
                    server, "POST /checkpoints/put-writes", body: Self.write, isStreamed: isStreamed)
                #expect(answer.hasPrefix("HTTP/1.1 204 "))
            }
            _ = try await send(server, "POST /checkpoints/put-writes", body: "{}", isStreamed: isStreamed)
            _ = try await send(server, "POST /checkpoints/canary", body: "{}", isStreamed: isStreamed)
            _ = try await send(server, "GET /threads/canary-too")
            _ = try await send(server, "GET /checkpoints/put-writes")
        }
        let lines = await lines(metrics)
        for line in [
            #"milepost_requests_total{call="put_writes",status="204"} 2"#,
            #"milepost_requests_total{call="put_writes",status="422"} 1"#,
            #"milepost_requests_total{call="other",status="404"} 1"#,
            #"milepost_requests_total{call="other",status="405"} 1"#,
            #"milepost_requests_total{call="get_thread",status="404"} 1"#,
            #"milepost_request_duration_seconds_count{call="put_writes"} 3"#,
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
        #expect(!lines.contains { $0.contains("canary") })
    }

    @Test("The page has exactly the metrics that are written down")
    func names() async throws {
        let directory = try TemporaryDirectory()
        let metrics = ServerMetrics(version: "1")
        let store = try SQLiteStore(
            path: directory.file("a.db"), observer: StoreMetrics(.sqlite, metrics.factory))
        metrics.show(store)
        let interface = interface(metrics, store: store)
        try await TestServer.run(interface) { server in
            metrics.show(server.connections, server.budget)
            _ = try await send(server, "POST /checkpoints/put-writes", body: Self.write)
            let answer = try await send(server, "GET /metrics")
            #expect(answer.contains("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
            let shown = answer.matches(of: /# TYPE ([a-z_]+) ([a-z]+)\n/).map { "\($0.output.1) \($0.output.2)" }
            let known = MetricNames.all.map { "\($0.name) \($0.kind.word)" }
            #expect(Set(shown) == Set(known).subtracting(["milepost_store_connections gauge"]))
            #expect(shown.count == Set(shown).count)
            #expect(answer.contains("\nmilepost_store_up 1\n") && answer.contains("\nmilepost_connections 2\n"))
            #expect(answer.contains("\nmilepost_build_info{version=\"1\"} 1\n"))
            #expect(!answer.contains("canary"))
        }
        await store.close()
    }

    @Test("With authentication it takes the scope admin; who is refused is counted, by kind")
    func access() async throws {
        let directory = try TemporaryDirectory()
        let metrics = ServerMetrics(version: "1")
        let file = APIKeyFile(path: directory.file("keys.json"))
        func key(_ scopes: Set<Scope>) throws -> String {
            try file.create(
                tenant: Tenant(name: "canary"), scopes: scopes, expires: nil, threadPrefix: "", note: "canary"
            ).0.text
        }
        let (admin, reader) = (try key([.admin]), try key([.read]))
        let control = AccessControl(
            authenticator: Authenticator([try APIKeyRing(file: file, logger: Self.silent)]),
            audit: .off,
            metrics: metrics.access
        )
        metrics.show(control)
        try await TestServer.run(interface(metrics, access: control)) { server async throws in
            func status(_ key: String?) async throws -> Substring {
                let credential = key.map { "authorization: Bearer \($0)\r\n" } ?? ""
                var client = try await RawClient(server)
                try await client.send("GET /metrics HTTP/1.1\r\nhost: x\r\n\(credential)\r\n")
                return await client.answer().dropFirst(9).prefix(3)
            }
            #expect(try await status(nil) == "401")
            #expect(try await status(reader) == "403")
            #expect(try await status(reader.replacing(reader.suffix(1), with: "")) == "401")
            #expect(try await status(admin) == "200")
        }
        let lines = await lines(metrics)
        for line in [
            #"milepost_authentication_failures_total{mode="none",reason="missing"} 1"#,
            #"milepost_authentication_failures_total{mode="key",reason="invalid"} 1"#,
            "milepost_access_denials_total 1",
            #"milepost_requests_total{call="get_metrics",status="200"} 1"#,
            #"milepost_requests_total{call="get_metrics",status="403"} 1"#,
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
        #expect(!lines.contains { $0.contains("canary") })
    }

    @Test("Without metrics there is no page")
    func none() async throws {
        try await APIClient.run { client async throws in
            #expect(try await client.send(.get, "/metrics").status == 404)
        }
    }

    @Test("A port of its own has the page, and nothing else")
    func ownPort() async throws {
        let metrics = ServerMetrics(version: "1")
        let application = buildMetricsApplication(metrics, host: "127.0.0.1", port: 0, logger: Self.silent)
        try await application.test(.live) { client async throws in
            for (path, method, status): (String, HTTPRequest.Method, Int) in [
                ("/metrics", .get, 200), ("/metrics", .post, 404), ("/healthz", .get, 404), ("/", .get, 404),
                ("/checkpoints/list", .post, 404),
            ] {
                try await client.execute(uri: path, method: method) { response in
                    #expect(Int(response.status.code) == status, "\(method) \(path)")
                    guard status == 200 else { return }
                    #expect(response.headers[.contentType] == "text/plain; version=0.0.4; charset=utf-8")
                    #expect(String(buffer: response.body).contains("milepost_build_info"))
                }
            }
        }
    }

    @Test("A slow call is logged with its parts, on both ways, and a quick one is not", arguments: [false, true])
    func slow(_ isStreamed: Bool) async throws {
        let recorder = RequestLogTests.Recorder()
        let metrics = ServerMetrics(version: "1")
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await TestServer.run(interface(metrics, store: store, slowCall: .zero, logger: recorder.logger)) { server in
            _ = try await send(server, "POST /checkpoints/put-writes", body: Self.write, isStreamed: isStreamed)
        }
        let line = try #require(recorder.lines.first { $0.message == "slow call" })
        #expect(line.level == .warning)
        let parts = ["receive_ms", "queue_ms", "apply_ms", "commit_ms", "read_ms", "other_ms"]
        #expect(Set(line.metadata.keys) == Set(["request_id", "call", "status", "duration_ms"] + parts))
        #expect(line.metadata["call"] == "put_writes" && line.metadata["status"] == "204")
        let times = parts.compactMap { line.metadata[$0].flatMap(Double.init) }
        let whole = try #require(line.metadata["duration_ms"].flatMap(Double.init))
        #expect(abs(times.reduce(0, +) - whole) < 0.01)
        #expect(line.metadata["commit_ms"] != "0.000")
        #expect(!line.metadata.values.contains { $0.contains("canary") })
        #expect(await lines(metrics).contains("milepost_slow_calls_total 1"))

        let quick = RequestLogTests.Recorder()
        try await TestServer.run(interface(metrics, store: store, slowCall: .seconds(60), logger: quick.logger)) {
            _ = try await send($0, "POST /checkpoints/put-writes", body: Self.write, isStreamed: isStreamed)
        }
        #expect(!quick.lines.contains { $0.message == "slow call" })
        await store.close()
    }

    @Test("What was refused a connection is counted")
    func connections() async throws {
        let metrics = ServerMetrics(version: "1")
        var limits = ConnectionLimits.quick
        limits.connections = 1
        // Nobody looks meanwhile whether it is idle.
        limits.lookInterval = .seconds(600)
        try await TestServer.run(interface(metrics), limits: limits) { server in
            metrics.show(server.connections, server.budget)
            // One that is in the middle of a request is not ended for another.
            let first = try await RawClient(server)
            try await first.send("POST /checkpoints/put HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
            #expect(try await TestServer.wait { await metrics.page().contains("\nmilepost_body_bytes 10\n") })
            var second = try await RawClient(server)
            #expect(await second.answer().hasPrefix("HTTP/1.1 503 "))
            let lines = await lines(metrics)
            #expect(lines.contains("milepost_connections_refused_total 1"))
            #expect(lines.contains("milepost_connections_limit 1"))
            #expect(lines.contains("milepost_body_bytes 10"))
        }
    }
}
