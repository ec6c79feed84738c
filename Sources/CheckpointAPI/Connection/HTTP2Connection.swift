import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypesHTTP2

/// A connection that speaks HTTP/2: each of its streams is one request, and is answered as a connection's would be.
///
/// Against floods of resets, pings, settings, empty frames and continued headers NIO ends the connection by itself; here
/// are the limits that it leaves open.
struct HTTP2Connection: Sendable {
    private let streams: NIOHTTP2Handler.AsyncStreamMultiplexer<HTTP1Channel.Value>

    /// Called on the channel's event loop.
    init(
        _ channel: any Channel,
        _ connections: OpenConnections,
        logger: Logger,
        makeHandler: @escaping @Sendable () -> any RemovableChannelHandler
    ) throws {
        let limits = connections.limits
        var configuration = NIOHTTP2Handler.Configuration()
        configuration.connection.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: limits.streams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headerBytes),
        ]
        configuration.connection.maximumBufferedControlFrames = 1_000
        let watch = HTTP2Watch(channel, in: connections, logger: logger)
        let loopBound = NIOLoopBound(watch, eventLoop: channel.eventLoop)
        streams = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
            mode: .server,
            connectionManagerConfiguration: .init(
                maxIdleTime: nil,
                maxAge: nil,
                maxGraceTime: nil,
                keepalive: nil
            ),
            http2HandlerConfiguration: configuration
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                loopBound.value.streamOpened()
                stream.closeFuture.assumeIsolated().whenComplete { _ in loopBound.value.streamClosed() }
                try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTPServerCodec())
                try stream.pipeline.syncOperations.addHandler(makeHandler())
                return try HTTP1Channel.Value(wrappingChannelSynchronously: stream)
            }
        }
        try channel.pipeline.syncOperations.addHandler(HTTP2ErrorHandler())
        channel.closeFuture.assumeIsolated().whenComplete { _ in loopBound.value.stop() }
    }

    func handle(with http1: HTTP1Channel, logger: Logger) async {
        do {
            try await withThrowingDiscardingTaskGroup { group in
                for try await stream in streams.inbound {
                    group.addTask { await http1.handle(value: stream, logger: logger) }
                }
            }
        } catch {
            // What was wrong with the connection, which has ended with it.
            logger.debug("HTTP/2 connection ended", metadata: ["error": .string("\(error)")])
        }
    }
}
