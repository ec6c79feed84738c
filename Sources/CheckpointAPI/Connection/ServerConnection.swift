import HummingbirdCore
import Logging
import NIOCore
import NIOSSL
import NIOTLS

/// Sets up one connection: counts it, has it speak TLS where that is on, then HTTP/1.1 or HTTP/2.
///
/// A connection that is one too many is closed; without TLS it is told 503 before, if its client looks.
struct ServerConnection: ServerChildChannel {
    enum Value: ServerChildChannelValue {
        case refused(any Channel)
        case plain(HTTP1Channel.Value)
        case secure(any Channel, EventLoopFuture<SecureConnection>)

        var channel: any Channel {
            switch self {
            case .refused(let channel), .secure(let channel, _): channel
            case .plain(let connection): connection.channel
            }
        }
    }

    /// What TLS has agreed on, and with whom.
    struct SecureConnection: Sendable {
        enum Content: Sendable {
            case http1(HTTP1Channel.Value)
            case http2(HTTP2Connection)
        }

        let content: Content
        let client: ConnectedClient
    }

    private let responder: HTTPChannelHandler.Responder
    private let connections: OpenConnections
    private let tls: TLSCertificates?
    private let makeHandler: @Sendable (HTTPTransport) -> any RemovableChannelHandler
    private let plain: HTTP1Channel

    init(
        responder: @escaping HTTPChannelHandler.Responder,
        connections: OpenConnections,
        tls: TLSCertificates?,
        makeHandler: @escaping @Sendable (HTTPTransport) -> any RemovableChannelHandler
    ) {
        self.responder = responder
        self.connections = connections
        self.tls = tls
        self.makeHandler = makeHandler
        plain = Self.http1(responder, connections.limits) { makeHandler(.plain) }
    }

    private static func http1(
        _ responder: @escaping HTTPChannelHandler.Responder,
        _ limits: ConnectionLimits,
        _ makeHandler: @escaping @Sendable () -> any RemovableChannelHandler
    ) -> HTTP1Channel {
        let decoder = HTTP1Channel.Configuration.DecoderConfiguration(
            maxHeaderFieldSize: limits.headerBytes,
            maxHeaderListSize: limits.headerBytes,
            maxHeaderFieldCount: 256
        )
        return HTTP1Channel(
            responder: responder,
            configuration: .init(additionalChannelHandlers: [makeHandler()], httpDecoderConfiguration: decoder)
        )
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        guard connections.admit(channel) else {
            return channel.eventLoop.makeCompletedFuture {
                if tls == nil {
                    try channel.pipeline.syncOperations.addHandler(RefusalHandler())
                } else {
                    channel.close(promise: nil)
                }
                return .refused(channel)
            }
        }
        guard let tls else { return plain.setup(channel: channel, logger: logger).map { .plain($0) } }
        return channel.eventLoop.makeCompletedFuture {
            try setUpSecure(channel, tls, logger)
        }
    }

    private func setUpSecure(_ channel: any Channel, _ tls: TLSCertificates, _ logger: Logger) throws -> Value {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(NIOSSLServerHandler(context: tls.context))
        let negotiation = NIOTypedApplicationProtocolNegotiationHandler { result, channel in
            secured(channel, result, logger)
        }
        try pipeline.addHandler(negotiation)
        let watch = HandshakeWatch(channel, in: connections, logger: logger)
        negotiation.protocolNegotiationResult.assumeIsolated().whenComplete { _ in watch.stop() }
        return .secure(channel, negotiation.protocolNegotiationResult)
    }

    /// The handshake is done: the rest of the pipeline is for what it agreed on.
    private func secured(
        _ channel: any Channel,
        _ result: ALPNResult,
        _ logger: Logger
    ) -> EventLoopFuture<SecureConnection> {
        do {
            let client = ConnectedClient(
                certificateNames: try tls?.takesClientCertificates == true ? ClientCertificate.names(of: channel) : [],
                address: channel.remoteAddress
            )
            if case .negotiated("h2") = result {
                let http2 = try HTTP2Connection(channel, connections, logger: logger) {
                    makeHandler(.stream(client))
                }
                return channel.eventLoop.makeSucceededFuture(
                    SecureConnection(content: .http2(http2), client: client)
                )
            }
            let http1 = Self.http1(responder, connections.limits) { makeHandler(.secure(client)) }
            return http1.setup(channel: channel, logger: logger).map {
                SecureConnection(content: .http1($0), client: client)
            }
        } catch {
            channel.close(promise: nil)
            return channel.eventLoop.makeFailedFuture(error)
        }
    }

    func handle(value: Value, logger: Logger) async {
        switch value {
        case .refused: break
        case .plain(let connection): await plain.handle(value: connection, logger: logger)
        case .secure(_, let secured):
            do {
                let connection = try await secured.get()
                await ConnectedClient.$current.withValue(connection.client) {
                    switch connection.content {
                    case .http1(let connection): await plain.handle(value: connection, logger: logger)
                    case .http2(let connection): await connection.handle(with: plain, logger: logger)
                    }
                }
            } catch {
                // A client's own affair: another protocol, a certificate of someone else, or it is gone.
                logger.debug("TLS handshake failed", metadata: ["error": .string("\(error)")])
            }
        }
    }
}
