package import Authentication
import Checkpoints
package import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// One row of the table of calls.
///
/// It makes the route, says who may use it, and is printed into the OpenAPI document.
package struct Endpoint: Sendable {
    package let method: HTTPRequest.Method
    /// The exact path; what differs in case, slashes or anything else is another path.
    ///
    /// `{thread_id}` stands for one step.
    package let path: String
    /// Nil for what anyone may ask, such as whether the process is up.
    package let scope: Scope?
    /// Nil for what the OpenAPI document leaves out: itself and the health checks.
    let operation: OpenAPIOperation?
    private(set) var handle: Handle
    /// The same for a body at hand and a caller without a task, where the store can.
    let direct: Direct<ByteBuffer>?

    /// Takes from the reservation what it reads of the body, before it reads it.
    typealias Handle = @Sendable (Request, APIContext, inout BodyReservation) async throws -> Response
    typealias DirectAnswer = @Sendable (Result<CallAnswer, any Error>) -> Void
    typealias Direct<Body> = @Sendable (Body, Principal, @escaping DirectAnswer) -> Void

    /// A call without a body.
    ///
    /// Without an operation the OpenAPI document leaves it out.
    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        scope: Scope? = nil,
        operation: OpenAPIOperation? = nil,
        handle: @escaping @Sendable (Request, APIContext) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.scope = scope
        self.operation = operation
        self.direct = nil
        self.handle = { request, context, _ in try await handle(request, context) }
    }

    /// A call that reads its body itself.
    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        scope: Scope,
        operation: OpenAPIOperation,
        reading handle: @escaping Handle
    ) {
        self.method = method
        self.path = path
        self.scope = scope
        self.operation = operation
        self.direct = nil
        self.handle = handle
    }

    /// A call with a JSON body: a POST.
    ///
    /// `handle` and `direct` see only bodies that satisfy `schema` and `check`, of callers who may do to the threads what
    /// `uses` says. A body that `audits` is written down before anything is done, and after it was.
    init<Body: Sendable>(
        _ path: String,
        scope: Scope,
        operation: OpenAPIOperation,
        body schema: ObjectSchema<Body>,
        rules: CallRules,
        uses: @escaping @Sendable (Body) -> ThreadUse,
        audits: @escaping @Sendable (Body) -> AuditRecord.Event? = { _ in nil },
        check: @escaping @Sendable (Body) throws -> Void = { _ in },
        direct: Direct<Body>? = nil,
        handle: @escaping @Sendable (Body, Principal) async throws -> CallAnswer
    ) {
        self.method = .post
        self.path = path
        self.scope = scope
        self.operation = operation
        self.handle = { request, context, reservation in
            let caller = context.caller
            let times = CallTimes.current
            let start = times == nil ? nil : MonotonicTime.now
            let bytes = try await schema.collect(request, upTo: rules.limits.bodyBytes, counting: &reservation)
            if let times, let start { times.add(.receive, from: start, to: .now) }
            let body: Body
            do {
                body = try schema.read(bytes, of: request)
                try check(body)
            } catch let error as ValidationError {
                try await rules.access.requireNamed(in: bytes, scope, caller)
                throw error
            }
            let use = uses(body)
            if caller.providerPrincipal == nil {
                try caller.require(use)
            } else {
                try await rules.access.require(use, caller)
            }
            guard let event = audits(body) else { return Response(try await handle(body, caller)) }
            return try await rules.access.audited(event, use, request, context) {
                Response(try await handle(body, caller))
            }
        }
        guard let direct else {
            self.direct = nil
            return
        }
        self.direct = { bytes, principal, answer in
            let body: Body
            do {
                guard bytes.readableBytes <= rules.limits.bodyBytes else {
                    throw APIError.bodyTooLarge(limit: rules.limits.bodyBytes)
                }
                body = try bytes.withUnsafeReadableBytes { try schema.read($0) }
                try check(body)
                try principal.require(uses(body))
            } catch {
                return answer(.failure(error))
            }
            direct(body, principal, answer)
        }
    }
}

extension Endpoint {
    /// The same, with an answer that no browser keeps or takes for a document.
    var uncached: Endpoint {
        var copy = self
        let handle = self.handle
        copy.handle = { request, context, reservation in
            var response = try await handle(request, context, &reservation)
            response.headers[.cacheControl] = "no-store"
            response.headers[.xContentTypeOptions] = "nosniff"
            return response
        }
        return copy
    }
}

/// What holds for every call.
package struct CallRules: Sendable {
    let limits: APILimits
    let access: AccessControl
    let events: EventStreams
}
