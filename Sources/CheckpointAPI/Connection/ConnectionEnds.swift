import NIOCore
import NIOHTTP2

/// Tells a client that there is no room for its connection, and ends it.
final class RefusalHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let answer: String = {
        let detail = #"{"detail":"The server has as many connections as it may (max-connections); try again"}"#
        let head = [
            "HTTP/1.1 503 Service Unavailable", "content-type: application/json",
            "content-length: \(detail.utf8.count)", "connection: close", "retry-after: 1",
        ]
        return head.joined(separator: "\r\n") + "\r\n\r\n" + detail
    }()

    func channelActive(context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.answer)), promise: nil)
        context.close(promise: nil)
    }
}

/// Ends a connection of HTTP/2 at the first error that concerns all of it, such as a flood.
///
/// NIO says goodbye then, but leaves the connection open.
final class HTTP2ErrorHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTP2Frame

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // NIO counts these, and they have ended their stream.
        if error is NIOHTTP2Errors.StreamError { return }
        context.close(promise: nil)
    }
}
