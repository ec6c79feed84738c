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
    package let path: String
    /// Nil for what anyone may ask, such as whether the process is up.
    package let permission: Permission?
    /// Nil for what the OpenAPI document leaves out: itself and the health checks.
    let operation: OpenAPIOperation?
    let handle: @Sendable (Request, APIContext) async throws -> Response
    /// The same for a body at hand and a caller without a task, where the store can; success is 204.
    var direct: DirectCall?

    typealias DirectCall =
        @Sendable (ByteBuffer, Principal, @escaping @Sendable (Result<Void, any Error>) -> Void) -> Void

    /// A call without a body.
    init(
        _ method: HTTPRequest.Method,
        _ path: String,
        permission: Permission? = nil,
        handle: @escaping @Sendable (Request, APIContext) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.permission = permission
        self.operation = nil
        self.handle = handle
    }

    /// A call with a JSON body.
    ///
    /// `handle` sees only bodies that satisfy `schema`.
    init<Body: Sendable>(
        _ method: HTTPRequest.Method,
        _ path: String,
        permission: Permission,
        operation: OpenAPIOperation,
        body schema: ObjectSchema<Body>,
        limits: APILimits,
        handle: @escaping @Sendable (Body, APIContext) async throws -> Response
    ) {
        self.method = method
        self.path = path
        self.permission = permission
        self.operation = operation
        self.handle = { request, context in
            let body = try await schema.read(request, upTo: limits.bodyBytes)
            return try await handle(body, context)
        }
    }
}
