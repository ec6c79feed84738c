import Authentication
package import Checkpoints
package import Hummingbird
package import HummingbirdCore
package import Logging

/// The calls over one store: the rows of the table, in the order of the document.
func makeEndpoints(store: some ThreadStore, limits: APILimits) -> [Endpoint] {
    [
        .getTuple(store, limits),
        .put(store, limits),
        .putWrites(store, limits),
        .listCheckpoints(store, limits),
        .deleteThread(store, limits),
        .copyThread(store, limits),
        .deleteForRuns(store, limits),
        .prune(store, limits),
        .deltaChannelHistory(store, limits),
        .listThreads(store),
        .getThread(store),
    ]
}

/// The HTTP interface over one store.
package struct HTTPInterface<Responder: HTTPResponder<APIContext>>: Sendable {
    /// Answers any request.
    package let responder: Responder
    /// Answers some of them sooner.
    let direct: DirectCalls
    /// What the bodies of all requests share, whichever way they take.
    package let budget: BodyBudget

    /// The HTTP/1.1 server: requests of moderate length are answered on their connection's event loop.
    package func server(logger: Logger) -> HTTPServerBuilder {
        .http1(
            configuration: .init(additionalChannelHandlers: [connectionHandler(logger: logger)])
        )
    }

    /// For one connection.
    package func connectionHandler(logger: Logger) -> WholeRequestHandler<Responder> {
        WholeRequestHandler(responder: responder, direct: direct, budget: budget, logger: logger)
    }
}

/// The whole HTTP interface over one store.
///
/// A request goes through the middleware in the order written here, then to its row of the table.
package func buildInterface(
    store: some ThreadStore & StoreMaintenance,
    limits: APILimits = APILimits(),
    logger: Logger
) -> HTTPInterface<some HTTPResponder<APIContext>> {
    let calls = makeEndpoints(store: store, limits: limits)
    let endpoints = calls + [.health, .readiness(store), .openAPI(calls)]
    let log = RequestLog(logger: logger)
    let budget = BodyBudget(limit: limits.inFlightBytes)

    let router = Router(context: APIContext.self)
    router.addMiddleware {
        RequestLogMiddleware(log: log)
        ErrorMiddleware(log: log)
        RoutingMiddleware(endpoints)
    }
    for endpoint in endpoints {
        router.on(RouterPath(endpoint.path), method: endpoint.method) { request, context in
            if let scope = endpoint.scope {
                try context.principal.require(scope)
            }
            var reservation = BodyReservation(in: context.isBodyCounted ? nil : budget)
            let response = try await endpoint.handle(request, context, &reservation)
            reservation.release()  // not before the answer is made
            return response
        }
    }
    return HTTPInterface(
        responder: PathResponder(base: router.buildResponder()),
        direct: DirectCalls(endpoints, bodyLimit: limits.bodyBytes, log: log),
        budget: budget
    )
}
