import Authentication
import HTTPTypes
package import Hummingbird
import HummingbirdCore
package import Logging
import NIOCore
package import Observability

extension Endpoint {
    /// The metrics, in Prometheus' text format.
    static func metrics(_ metrics: ServerMetrics) -> Endpoint {
        Endpoint(.get, "/metrics", scope: .admin) { _, _ in await .page(of: metrics) }
    }
}

/// A server for the metrics alone: it answers `GET /metrics`, to anybody, and 404 to everything else.
///
/// `runs` is called with its port once it listens.
package func buildMetricsApplication(
    _ metrics: ServerMetrics,
    host: String,
    port: Int,
    logger: Logger,
    runs: @escaping @Sendable (_ port: Int?) -> Void = { _ in }
) -> some ApplicationProtocol {
    let router = Router(context: BasicRequestContext.self)
    router.get("/metrics") { _, _ in await Response.page(of: metrics) }
    return Application(
        responder: router.buildResponder(),
        server: .http1(configuration: .init(idleTimeout: .seconds(60))),
        configuration: ApplicationConfiguration(
            address: .hostname(host, port: port),
            // More than a few scrapers have no business here.
            availableConnectionsDelegate: MaximumAvailableConnections(64, logger: logger)
        ),
        onServerRunning: { runs($0.localAddress?.port) },
        logger: logger
    )
}

extension Response {
    fileprivate static func page(of metrics: ServerMetrics) async -> Response {
        Response(
            status: .ok,
            headers: [.contentType: PrometheusText.contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: await metrics.page()))
        )
    }
}

extension ServerMetrics {
    /// Shows what the server's connections and the bodies of their requests take.
    package func show(_ connections: OpenConnections, _ bodies: BodyBudget) {
        beforeEachPage { [transport] in
            transport.connections(
                open: connections.count, limit: connections.limits.connections, refused: connections.refusedCount)
            transport.bodies(bytes: bodies.bytesInUse, limit: bodies.limit)
        }
    }

    /// Shows what the modes of authentication remember.
    package func show(_ control: AccessControl) {
        guard let authenticator = control.authenticator else { return }
        beforeEachPage { [access] in
            for (mode, count) in authenticator.evictionCounts {
                switch mode {
                case "jwt": access.evicted(count, from: .tokens)
                case "agentex": access.evicted(count, from: .principals)
                default: break
                }
            }
        }
    }
}
