import Authentication
import Checkpoints
import HTTPTypes
import Hummingbird
import NIOCore

extension Endpoint {
    /// What is committed to a thread, as it happens: an answer that ends when either side does.
    static func threadEvents(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            .get,
            ThreadPath.template(of: "events"),
            scope: .read,
            operation: OpenAPIOperation(
                id: "follow_thread_threads_thread_id_events_get",
                summary: "Follow Thread",
                parameters: [
                    .path("thread_id", .schema("string", title: "Thread ID")),
                    .header("Last-Event-ID", .schema("string", title: "The id of the last event that came")),
                ],
                answer: .events
            )
        ) { request, context in
            guard let id = ThreadPath.id(in: request.head.path ?? "") else { return .noSuchThread }
            try await rules.access.require(.thread(id, .read), context.caller)
            return try await events(of: ThreadKey(id, tenant: context.caller.tenant), store, rules, request, context)
        }
    }

    /// The thread is followed before it is read, so that nothing is missed in between.
    private static func events(
        of thread: ThreadKey,
        _ store: some ThreadStore,
        _ rules: CallRules,
        _ request: Request,
        _ context: APIContext
    ) async throws -> Response {
        let channel = context.channel
        let stream = EventStream { channel?.close(promise: nil) }
        let place = try rules.events.add(stream)
        channel?.closeFuture.whenComplete { [weak stream] _ in stream?.end() }
        let follower = try await store.follow(thread) { [weak stream] in stream?.add($0) }
        let lastEventID = request.headers[.lastEventID]
        let beginning = try await EventTeller(store, thread, lastEventID: lastEventID)
        let head = request.head
        let body = ResponseBody { writer in
            defer {
                follower.end()
                place.leave()
            }
            var teller = beginning
            try await writer.write(ByteBuffer(bytes: teller.takeText()))
            while true {
                let text = await text(after: stream.next(), &teller) {
                    await isAllowed(thread, rules, head, context)
                }
                guard let text else { break }
                if !text.isEmpty { try await writer.write(ByteBuffer(bytes: text)) }
            }
            try await writer.finish(nil)
        }
        return Response(
            status: .ok,
            headers: [.contentType: "text/event-stream", .cacheControl: "no-store", .accelBuffering: "no"],
            body: body
        )
    }

    /// Nil when the stream ends; where the store cannot be read, too.
    ///
    /// Then its client comes again, and is told why.
    private static func text(
        after signal: EventStream.Signal,
        _ teller: inout EventTeller<some ThreadStore>,
        while isAllowed: () async -> Bool
    ) async -> [UInt8]? {
        do {
            switch signal {
            case .changes(let changes): try await teller.add(changes)
            case .overfull: try await teller.addMissed()
            case .heartbeat: return await isAllowed() ? EventText.heartbeat : nil
            case .end: return nil
            }
            return teller.takeText()
        } catch {
            return nil
        }
    }

    /// Whether who began to follow might begin now.
    private static func isAllowed(
        _ thread: ThreadKey,
        _ rules: CallRules,
        _ head: HTTPRequest,
        _ context: APIContext
    ) async -> Bool {
        do {
            let principal = try await rules.access.authenticate(head, context.client, requestID: context.requestID)
            try principal.require(Scope.read)
            try await rules.access.require(.thread(thread.id, .read), principal)
            return principal.tenant == thread.tenant
        } catch {
            return false
        }
    }
}

extension HTTPField.Name {
    /// The initialiser fails only for what is no token.
    static let lastEventID = HTTPField.Name("last-event-id") ?? .cacheControl
    /// Tells a proxy not to keep back what comes piece by piece.
    static let accelBuffering = HTTPField.Name("x-accel-buffering") ?? .cacheControl
}
