import CheckpointAPI
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOPosix
import NIOSSL
import Synchronization
import Testing

/// Attacks that HTTP/2 alone makes possible, on real sockets.
@Suite("HTTP/2 floods", .timeLimit(.minutes(5)))
struct HTTP2FloodTests {
    private let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    private static let head: HPACKHeaders = [
        ":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": "/checkpoints/list",
        "content-type": "application/json", "content-length": "17",
    ]

    /// Writes frames, and keeps what came.
    private final class FrameCollector: ChannelInboundHandler {
        typealias InboundIn = HTTP2Frame
        let answers: Mutex<Int>
        init() { answers = Mutex(0) }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if case .headers = unwrapInboundIn(data).payload { answers.withLock { $0 += 1 } }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {}
    }

    private func connect(_ server: TestServer) async throws -> (any Channel) {
        let context = try NIOSSLContext(configuration: authority.client(protocols: ["h2"]))
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: "localhost"))
                    try pipeline.addHandler(NIOHTTP2Handler(mode: .client))
                    try pipeline.addHandler(FrameCollector())
                }
            }
            .connect(host: "127.0.0.1", port: server.port)
            .get()
        server.clients.add(channel)
        return channel
    }

    /// Sends frames in a row until there are no more or the server ends the connection; returns how many were sent.
    private func flood(_ channel: any Channel, _ count: Int, _ frames: (Int) -> [HTTP2Frame]) async throws -> Int {
        for number in 0..<count {
            do {
                for frame in frames(number) { try await channel.writeAndFlush(frame) }
            } catch {
                return number
            }
        }
        return count
    }

    private func run(
        limits: ConnectionLimits = .quick,
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        let files = try TLSFiles(authority.pair())
        try await TestServer.run(
            limits: limits,
            tls: TLSCertificates(files.settings, logger: TestServer.silent),
            body
        )
    }

    /// Whether a client of HTTP/1.1 is answered.
    private func isServing(_ server: TestServer) async throws -> Bool {
        var client = try await RawClient(server, tls: authority.client())
        try await client.post("/checkpoints/list", #"{"thread_id":"t"}"#)
        return await client.answer().hasPrefix("HTTP/1.1 200")
    }

    private static func streamID(_ number: Int) -> HTTP2StreamID { HTTP2StreamID(2 * number + 1) }

    @Test("streams that are opened and reset in a row end their connection, and others go on")
    func rapidReset() async throws {
        try await run { server in
            let channel = try await connect(server)
            let sent = try await flood(channel, 10_000) { number in
                [
                    HTTP2Frame(streamID: Self.streamID(number), payload: .headers(.init(headers: Self.head))),
                    HTTP2Frame(streamID: Self.streamID(number), payload: .rstStream(.cancel)),
                ]
            }
            #expect(sent < 10_000)
            #expect(try await isServing(server))
            #expect(try await TestServer.wait { server.budget.bytesInUse == 0 && server.connections.count <= 1 })
        }
    }

    @Test("pings and settings in a row end their connection", arguments: [true, false])
    func controlFrames(_ isPing: Bool) async throws {
        try await run { server in
            let channel = try await connect(server)
            let sent = try await flood(channel, 10_000) { number in
                let ping = HTTP2Frame.FramePayload.ping(HTTP2PingData(withInteger: UInt64(number)), ack: false)
                return [HTTP2Frame(streamID: .rootStream, payload: isPing ? ping : .settings(.settings([])))]
            }
            #expect(sent < 10_000)
            #expect(try await isServing(server))
        }
    }

    @Test("a head that is too large ends the connection")
    func largeHead() async throws {
        try await run { server in
            let channel = try await connect(server)
            var head = Self.head
            head.remove(name: "content-length")
            for number in 0..<20 { head.add(name: "x-\(number)", value: String(repeating: "a", count: 1_000)) }
            try await channel.writeAndFlush(
                HTTP2Frame(streamID: 1, payload: .headers(.init(headers: head, endStream: true)))
            )
            try await channel.closeFuture.get()
            #expect(try await isServing(server))
        }
    }

    @Test("bodies that do not come hold no more than the limit of streams, and are ended with their bytes given back")
    func halfBodies() async throws {
        var limits = ConnectionLimits.quick
        limits.silence = .seconds(3)
        try await run(limits: limits) { server in
            let channel = try await connect(server)
            for number in 0..<50 {
                try await channel.writeAndFlush(
                    HTTP2Frame(streamID: Self.streamID(number), payload: .headers(.init(headers: Self.head)))
                )
            }
            #expect(try await TestServer.wait { server.budget.bytesInUse == 50 * 17 })
            #expect(try await TestServer.wait { server.budget.bytesInUse == 0 })
            #expect(try await isServing(server))
        }
    }

    @Test("a connection without a stream is ended when it is idle")
    func idle() async throws {
        var limits = ConnectionLimits.quick
        limits.idle = .milliseconds(200)
        limits.lastWords = .milliseconds(200)
        try await run(limits: limits) { server in
            let channel = try await connect(server)
            try await channel.closeFuture.get()
            #expect(try await TestServer.wait { server.connections.count == 0 })
        }
    }
}
