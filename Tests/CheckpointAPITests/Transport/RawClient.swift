import Foundation
import NIOCore
import NIOPosix
import NIOSSL

/// Sends bytes as they are given, over a socket of its own.
struct RawClient {
    let channel: any Channel
    private var chunks: AsyncStream<ByteBuffer>.Iterator
    /// What came and was not asked for yet.
    private var text = ""

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let stream: AsyncStream<ByteBuffer>.Continuation

        init(_ stream: AsyncStream<ByteBuffer>.Continuation) { self.stream = stream }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { stream.yield(unwrapInboundIn(data)) }
        func channelInactive(context: ChannelHandlerContext) { stream.finish() }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    init(_ server: TestServer, tls: TLSConfiguration? = nil, reading: Bool = true) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.autoRead, value: reading)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let context {
                        let handler = try NIOSSLClientHandler(context: context, serverHostname: "localhost")
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    try channel.pipeline.syncOperations.addHandler(Collector(continuation))
                }
            }
        // What is not read soon fills a small buffer.
        let sized = reading ? bootstrap : bootstrap.channelOption(.socketOption(.so_rcvbuf), value: 1 << 12)
        channel = try await sized.connect(host: "127.0.0.1", port: server.port).get()
        server.clients.add(channel)
        chunks = stream.makeAsyncIterator()
    }

    func send(_ text: String) async throws {
        try await channel.writeAndFlush(ByteBuffer(string: text))
    }

    /// One request as a client sends it, without an answer being waited for.
    func post(_ path: String, _ body: String, _ fields: String = "") async throws {
        try await send(
            "POST \(path) HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                + "content-length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
        )
    }

    /// The next answer with its body; what there is when the connection ends before.
    mutating func answer() async -> String {
        while true {
            if let head = text.range(of: "\r\n\r\n") {
                let length =
                    text[..<head.lowerBound].split(separator: "\r\n")
                    .first { $0.lowercased().hasPrefix("content-length:") }
                    .flatMap { Int($0.drop { $0 != ":" }.dropFirst().drop { $0 == " " }) } ?? 0
                let end = text.utf8.index(head.upperBound, offsetBy: length, limitedBy: text.endIndex)
                if let end {
                    defer { text = String(text[end...]) }
                    return String(text[..<end])
                }
            }
            guard let chunk = await chunks.next(isolation: #isolation) else { return text }
            text += String(buffer: chunk)
        }
    }

    /// What comes up to that text, and it; nil when the connection ends before.
    mutating func text(until mark: String) async -> String? {
        while true {
            if let found = text.range(of: mark) {
                defer { text = String(text[found.upperBound...]) }
                return String(text[..<found.upperBound])
            }
            guard let chunk = await chunks.next(isolation: #isolation) else { return nil }
            text += String(buffer: chunk)
        }
    }

    /// All that still comes until the server ends the connection.
    mutating func rest() async -> String {
        while let chunk = await chunks.next(isolation: #isolation) { text += String(buffer: chunk) }
        defer { text = "" }
        return text
    }
}
