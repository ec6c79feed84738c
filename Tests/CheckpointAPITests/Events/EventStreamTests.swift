import CheckpointAPI
import Checkpoints
import Foundation
import NIOCore
import Synchronization
import TestSupport
import Testing

/// Streams of events over real sockets.
@Suite("Events", .timeLimit(.minutes(5)))
struct EventStreamTests {
    /// One who follows, as bytes on a socket.
    private struct Follower {
        var client: RawClient

        init(_ server: TestServer, _ thread: String = "t1", fields: String = "", reading: Bool = true) async throws {
            client = try await RawClient(server, reading: reading)
            try await client.send("GET /threads/\(thread)/events HTTP/1.1\r\nhost: x\r\n\(fields)\r\n")
        }
    }

    private static func run(
        limits: EventStreams.Limits = EventStreams.Limits(),
        connections: ConnectionLimits = .quick,
        store: some ThreadStore & StoreMaintenance = MemoryStore(),
        _ body: @escaping @Sendable (TestServer, EventStreams) async throws -> Void
    ) async throws {
        let events = EventStreams(limits: limits)
        let interface = buildInterface(store: store, events: events, logger: TestServer.silent)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await events.run() }
            try await TestServer.run(interface, limits: connections) { server in try await body(server, events) }
            group.cancelAll()
        }
    }

    /// Reads until `mark` came; nil when the stream ends before.
    private static func read(_ follower: inout Follower, until mark: String) async -> String? {
        await follower.client.text(until: mark)
    }

    @Test("a stream begins with the thread, goes on with each change, and outlives request-timeout")
    func stream() async throws {
        var quick = ConnectionLimits.quick
        quick.request = .seconds(10)
        let store = MemoryStore()
        try await Self.run(connections: quick, store: store) { server, events in
            var follower = try await Follower(server)
            let head = try #require(await Self.read(&follower, until: "event: thread"))
            #expect(head.hasPrefix("HTTP/1.1 200 OK\r\n"))
            for field in ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"] {
                #expect(head.lowercased().contains(field))
            }
            #expect(head.contains("retry: 1000\n\n"))
            #expect(events.count == 1)
            try await Task.sleep(for: .seconds(11))
            try await store.put(.sample(), blobs: [])
            #expect(await Self.read(&follower, until: #""checkpoint_id":"c1""#) != nil)
        }
    }

    @Test("a heartbeat comes when nothing happens, and a client that is gone leaves nothing behind")
    func heartbeat() async throws {
        var limits = EventStreams.Limits()
        (limits.heartbeat, limits.lookInterval) = (.milliseconds(50), .milliseconds(10))
        try await Self.run(limits: limits) { server, events in
            for _ in 0..<3 {
                var followers: [Follower] = []
                for _ in 0..<20 { followers.append(try await Follower(server)) }
                for number in followers.indices {
                    #expect(await Self.read(&followers[number], until: "\n:\n\n") != nil)
                }
                #expect(events.count == 20)
                for follower in followers { try await follower.client.channel.close() }
                #expect(try await TestServer.wait { events.count == 0 })
            }
        }
    }

    @Test("one that ends its own side is gone at once, without a heartbeat")
    func halfClosed() async throws {
        try await Self.run { server, events in
            var follower = try await Follower(server)
            #expect(await Self.read(&follower, until: "event: thread") != nil)
            let start = ContinuousClock.now
            try await follower.client.channel.close()
            #expect(try await TestServer.wait { events.count == 0 })
            #expect(ContinuousClock.now - start < .seconds(5))
        }
    }

    @Test("more streams than there may be are refused, and a place comes back")
    func bounded() async throws {
        var limits = EventStreams.Limits()
        limits.streams = 2
        try await Self.run(limits: limits) { server, events in
            var first = try await Follower(server)
            var second = try await Follower(server)
            #expect(await Self.read(&first, until: "event: thread") != nil)
            #expect(await Self.read(&second, until: "event: thread") != nil)
            var third = try await Follower(server)
            let refusal = await third.client.answer()
            #expect(refusal.hasPrefix("HTTP/1.1 503 ") && refusal.lowercased().contains("retry-after: 5"))
            try await first.client.channel.close()
            #expect(try await TestServer.wait { events.count == 1 })
            var fourth = try await Follower(server)
            #expect(await Self.read(&fourth, until: "event: thread") != nil)
        }
    }

    @Test("one that never reads is cut off, and no change waits for it")
    func unread() async throws {
        var limits = EventStreams.Limits()
        (limits.unread, limits.lookInterval) = (.milliseconds(300), .milliseconds(10))
        let store = MemoryStore()
        try await Self.run(limits: limits, store: store) { server, events in
            _ = try await Follower(server, reading: false)
            #expect(try await TestServer.wait { events.count == 1 })
            // What fills the buffers of both sockets.
            let parent = Identifier(String(repeating: "p", count: 100_000))
            for number in 0..<60 {
                try await store.put(.sample(.sample(Identifier("c\(1_000 + number)")), parent: parent), blobs: [])
            }
            #expect(try await TestServer.wait { events.count == 0 })
        }
    }

    @Test("the end of the server is the end of every stream, and another is refused")
    func end() async throws {
        try await Self.run { server, events in
            var follower = try await Follower(server)
            #expect(await Self.read(&follower, until: "event: thread") != nil)
            events.end()
            #expect(await Self.read(&follower, until: "\r\n0\r\n\r\n") != nil, "a whole answer")
            #expect(try await TestServer.wait { events.count == 0 })
            var late = try await Follower(server)
            #expect(await late.client.answer().hasPrefix("HTTP/1.1 503 "))
        }
    }

    @Test("a store that cannot be followed or read is answered as in any call")
    func failing() async throws {
        let store = FailingStore(error: StoreError(.unavailable, during: "follow a thread"))
        try await Self.run(store: store) { server, events in
            var follower = try await Follower(server)
            #expect(await follower.client.answer().hasPrefix("HTTP/1.1 503 "))
            #expect(events.count == 0)
        }
    }
}
