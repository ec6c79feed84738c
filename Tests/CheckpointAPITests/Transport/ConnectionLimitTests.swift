import CheckpointAPI
import Checkpoints
import NIOCore
import Synchronization
import Testing

/// What a client may take of connections and time, on real sockets.
@Suite("Connection limits", .timeLimit(.minutes(5)))
struct ConnectionLimitTests {
    private static let get = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    private static let list = #"{"thread_id":"t"}"#

    /// Long enough for nothing to end by itself in a test.
    private static func limits(_ change: (inout ConnectionLimits) -> Void) -> ConnectionLimits {
        var limits = ConnectionLimits.quick
        limits.idle = .hours(1)
        limits.head = .hours(1)
        limits.silence = .hours(1)
        limits.bodyGrace = .hours(1)
        limits.unread = .hours(1)
        limits.request = .hours(1)
        change(&limits)
        return limits
    }

    /// Sends a byte now and then until the server ends the connection; returns how many.
    private func dribble(_ client: RawClient, _ byte: String) async throws -> Int {
        for count in 0..<4_000 {
            guard client.channel.isActive else { return count }
            do { try await client.send(byte) } catch { return count }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("the connection is still there")
        return 0
    }

    // MARK: - Time

    @Test("a head that comes byte by byte ends its connection", arguments: [true, false])
    func slowHead(_ isFirst: Bool) async throws {
        try await TestServer.run(limits: Self.limits { $0.head = .milliseconds(200) }) { server in
            var client = try await RawClient(server)
            if !isFirst {
                try await client.send(Self.get)
                #expect(await client.answer().hasPrefix("HTTP/1.1 200"))
            }
            try await client.send("GET /healthz HTTP/1.1\r\nx-a: ")
            #expect(try await dribble(client, "a") > 0)
            #expect(await client.rest() == "")
        }
    }

    @Test(
        "a connection on which nothing is asked is ended, at its start and after an answer", arguments: [true, false])
    func idle(_ isFirst: Bool) async throws {
        try await TestServer.run(limits: Self.limits { $0.idle = .milliseconds(200) }) { server in
            var client = try await RawClient(server)
            if !isFirst {
                try await client.send(Self.get)
                #expect(await client.answer().hasPrefix("HTTP/1.1 200"))
            }
            #expect(await client.rest() == "")
            #expect(try await TestServer.wait { server.connections.count == 0 })
        }
    }

    @Test("a body that dribbles in ends its connection and gives its bytes back", arguments: [30_000, 2_000_000])
    func dribbledBody(_ length: Int) async throws {
        let limits = Self.limits {
            $0.bodyGrace = .milliseconds(200)
            $0.bodyBytesPerSecond = 10_000
        }
        try await TestServer.run(limits: limits) { server in
            var client = try await RawClient(server)
            try await client.send(
                "POST /checkpoints/list HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                    + "content-length: \(length)\r\n\r\n\(String(repeating: " ", count: 100))"
            )
            #expect(try await TestServer.wait { server.budget.bytesInUse > 0 })
            #expect(try await dribble(client, " ") > 0)
            #expect(await client.rest() == "")
            #expect(try await TestServer.wait { server.budget.bytesInUse == 0 })
        }
    }

    @Test("a body that keeps its pace takes longer than the grace")
    func steadyBody() async throws {
        let limits = Self.limits {
            $0.bodyGrace = .milliseconds(200)
            $0.bodyBytesPerSecond = 10_000
        }
        try await TestServer.run(limits: limits) { server in
            var client = try await RawClient(server)
            let (parts, part) = (80, String(repeating: " ", count: 1_000))
            try await client.send(
                "POST /checkpoints/list HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                    + "content-length: \(Self.list.utf8.count + parts * part.utf8.count)\r\n\r\n"
            )
            for _ in 0..<parts {
                try await client.send(part)
                try await Task.sleep(for: .milliseconds(10))
            }
            try await client.send(Self.list)
            #expect(await client.answer().hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("a client that does not read its answers is closed")
    func slowReader() async throws {
        let store = MemoryStore()
        let blob = String(repeating: "YWFh", count: 500_000)
        try await TestServer.run(limits: Self.limits { $0.unread = .milliseconds(300) }, store: store) { server in
            var writer = try await RawClient(server)
            try await writer.post(
                "/checkpoints/put-writes",
                #"{"thread_id":"t","checkpoint_id":"1","writes":[{"task_id":"t","idx":0,"channel":"c","type":"bytes","#
                    + #""blob":"\#(blob)","task_path":""}],"upsert":false}"#
            )
            #expect(await writer.answer().hasPrefix("HTTP/1.1 20"))
            try await writer.post("/checkpoints/put", Self.checkpoint)
            #expect(await writer.answer().hasPrefix("HTTP/1.1 20"))
            let client = try await RawClient(server, reading: false)
            for _ in 0..<8 { try await client.post("/checkpoints/get-tuple", #"{"thread_id":"t"}"#) }
            #expect(try await TestServer.wait { server.connections.count == 1 })
            try await writer.send(Self.get)
            #expect(await writer.answer().hasPrefix("HTTP/1.1 200"))
        }
    }

    private static let checkpoint = #"""
        {"thread_id":"t","checkpoint_ns":"","checkpoint":{"id":"1","v":4,"ts":"2026-01-01T00:00:00+00:00",\#
        "channel_values":{},"channel_versions":{},"versions_seen":{},"updated_channels":null},"metadata":{},\#
        "checkpoint_id":"1","parent_checkpoint_id":null,"blobs":[]}
        """#

    @Test("a request that takes too long ends its connection")
    func longRequest() async throws {
        let limits = Self.limits { $0.request = .milliseconds(300) }
        try await TestServer.run(NamesResponder.interface, limits: limits) { server in
            var client = try await RawClient(server)
            try await client.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 50000\r\n\r\n")
            #expect(try await dribble(client, "a") > 0)
            #expect(await client.rest() == "")
        }
    }

    // MARK: - Number

    @Test("a thousand silent connections do not keep a healthy client from being answered")
    func manyIdle() async throws {
        try await TestServer.run(limits: Self.limits { $0.connections = 1_000 }) { server in
            var healthy = try await RawClient(server)
            var silent: [RawClient] = []
            for number in 0..<1_200 {
                silent.append(try await RawClient(server))
                guard number % 100 == 0 else { continue }
                try await healthy.post("/checkpoints/list", Self.list)
                #expect(await healthy.answer().hasPrefix("HTTP/1.1 200"))
            }
            var late = try await RawClient(server)
            try await late.send(Self.get)
            #expect(await late.answer().hasPrefix("HTTP/1.1 200"))
            #expect(server.connections.count <= 1_126)
            for client in silent { client.channel.close(promise: nil) }
            #expect(try await TestServer.wait { server.connections.count == 2 })
        }
    }

    @Test("one connection more than allowed is told 503 when none is idle, and there is room again after")
    func tooMany() async throws {
        try await TestServer.run(limits: Self.limits { $0.connections = 4 }) { server in
            var busy: [RawClient] = []
            for _ in 0..<4 {
                let client = try await RawClient(server)
                try await client.send("POST /checkpoints/list HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n ")
                busy.append(client)
            }
            #expect(try await TestServer.wait { server.budget.bytesInUse == 4_000 })
            // What was just opened counts as idle until it was looked at.
            try await Task.sleep(for: .milliseconds(100))
            var refused = try await RawClient(server)
            let answer = await refused.rest()
            #expect(answer.hasPrefix("HTTP/1.1 503") && answer.contains("max-connections"), "\(answer)")
            try await busy[0].channel.close()
            #expect(try await TestServer.wait { server.connections.count == 3 })
            var client = try await RawClient(server)
            try await client.send(Self.get)
            #expect(await client.answer().hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("the limit of files is raised to what this process may have")
    func files() {
        let most = FileLimit.raise()
        #expect(most > 0)
        #expect(FileLimit.raise() == most)
    }
}
