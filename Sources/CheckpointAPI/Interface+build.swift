import Authentication
package import Checkpoints
package import Hummingbird
package import HummingbirdCore
package import Logging

/// The calls over one store: the rows of the table, in the order of the document.
func makeEndpoints(store: some ThreadStore, rules: CallRules) -> [Endpoint] {
    [
        .getTuple(store, rules),
        .put(store, rules),
        .putWrites(store, rules),
        .listCheckpoints(store, rules),
        .deleteThread(store, rules),
        .copyThread(store, rules),
        .deleteForRuns(store, rules),
        .prune(store, rules),
        .deltaChannelHistory(store, rules),
        .listThreads(store, rules),
        .getThread(store, rules),
        .threadEvents(store, rules),
        .getRetention(store, rules),
        .setRetention(store, rules),
    ]
}

/// The inspector's page, and what it asks for.
private func makeInspectorEndpoints(store: some ThreadStore, rules: CallRules) -> [Endpoint] {
    let endpoints: [Endpoint] = [
        .inspectorCaller(rules),
        .inspectorHistory(store, rules),
        .inspectorCheckpoint(store, rules),
        .inspectorDifference(store, rules),
        .inspectorSizes(store, rules),
    ]
    return endpoints.map(\.uncached) + [.inspectorPage()]
}

/// The HTTP interface over one store.
package struct HTTPInterface<Responder: HTTPResponder<APIContext>>: Sendable {
    /// Answers any request.
    package let responder: Responder
    /// Answers some of them sooner.
    let direct: DirectCalls
    /// What the bodies of all requests share, whichever way they take.
    package let budget: BodyBudget
    /// The streams of events, which somebody has to look after.
    package let events: EventStreams

    package init(
        responder: Responder,
        direct: DirectCalls,
        budget: BodyBudget,
        events: EventStreams = EventStreams()
    ) {
        self.responder = responder
        self.direct = direct
        self.budget = budget
        self.events = events
    }

    /// The server: requests of moderate length are answered on their connection's event loop.
    ///
    /// HTTP/1.1, and with TLS also HTTP/2 where that is on.
    package func server(
        connections: OpenConnections = OpenConnections(),
        tls: TLSCertificates? = nil,
        logger: Logger
    ) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            ServerConnection(responder: responder, connections: connections, tls: tls) { transport in
                connectionHandler(connections: connections, transport: transport, logger: logger)
            }
        }
    }

    /// For one connection, or one stream of HTTP/2.
    package func connectionHandler(
        connections: OpenConnections = OpenConnections(),
        transport: HTTPTransport = .plain,
        logger: Logger
    ) -> WholeRequestHandler<Responder> {
        WholeRequestHandler(
            responder: responder,
            direct: direct,
            budget: budget,
            connections: connections,
            transport: transport,
            logger: logger
        )
    }
}

/// The whole HTTP interface over one store; open to everybody without `access`.
///
/// `warning` is for the operator: the health checks show it.
///
/// A request goes through the middleware in the order written here, then to its row of the table.
package func buildInterface(
    store: some ThreadStore & StoreMaintenance,
    limits: APILimits = APILimits(),
    access: AccessControl? = nil,
    events: EventStreams = EventStreams(),
    warning: String? = nil,
    hasInspector: Bool = true,
    observation: Observation = Observation(),
    logger: Logger
) -> HTTPInterface<some HTTPResponder<APIContext>> {
    let access = access ?? .forEverybody
    let rules = CallRules(limits: limits, access: access, events: events)
    let calls =
        makeEndpoints(store: store, rules: rules)
        + (hasInspector ? makeInspectorEndpoints(store: store, rules: rules) : [])
    let endpoints =
        calls + [.health(warning), .readiness(store, warning), .openAPI(calls, isOpen: access.authenticator == nil)]
        + (observation.metrics.map { [.metrics($0)] } ?? [])
    let log = RequestLog(logger: logger, calls: endpoints, observation)
    let (budget, answers) = (BodyBudget(limit: limits.inFlightBytes), BodyBudget(limit: limits.inFlightBytes))

    let router = Router(context: APIContext.self)
    // What a server open to everybody does not need would cost each request some thousand instructions.
    if access.authenticator != nil {
        router.addMiddleware {
            RequestLogMiddleware(log: log)
            ErrorMiddleware(log: log)
            BrowserMiddleware(access, endpoints)
            AccessMiddleware(access, endpoints)
            RoutingMiddleware(endpoints)
        }
    } else {
        router.addMiddleware {
            RequestLogMiddleware(log: log)
            ErrorMiddleware(log: log)
            BrowserMiddleware(access, endpoints)
            RoutingMiddleware(endpoints)
        }
    }
    let everybody: Principal? = access.authenticator == nil ? .local : nil
    for endpoint in endpoints {
        router.on(RouterPath(endpoint.path), method: endpoint.method) { request, context in
            var context = context
            context.principal = context.principal ?? everybody
            if let scope = endpoint.scope { try context.caller.require(scope) }
            var reservation = BodyReservation(in: context.isBodyCounted ? nil : budget)
            var response = try await endpoint.handle(request, context, &reservation)
            reservation.release()  // not before the answer is made
            if endpoint.scope == .read { try response.count(in: answers) }  // what was changed is said in any case
            return response
        }
    }
    return HTTPInterface(
        responder: PathResponder(base: router.buildResponder()),
        direct: DirectCalls(endpoints, access: access, bodyLimit: limits.bodyBytes, answers: answers, log: log),
        budget: budget,
        events: events
    )
}
