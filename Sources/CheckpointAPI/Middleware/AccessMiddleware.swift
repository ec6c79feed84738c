import Authentication
import HTTPTypes
import Hummingbird

/// Lets through whoever may ask, and writes down who may not.
///
/// It stands before the routing: a stranger learns no paths. What the table has without a scope is open, and so is
/// OPTIONS, which no path takes.
struct AccessMiddleware: RouterMiddleware {
    typealias Context = APIContext

    private let access: AccessControl
    private let openPaths: Set<String>

    init(_ access: AccessControl, _ endpoints: [Endpoint]) {
        self.access = access
        openPaths = Set(endpoints.filter { $0.scope == nil }.map(\.path))
    }

    func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard request.method != .options, !openPaths.contains(request.head.path ?? "") else {
            return try await next(request, context)
        }
        var context = context
        let principal: Principal
        if let known = context.principal {
            principal = known
        } else {
            principal = try await access.authenticate(request.head, context.client, requestID: context.requestID)
            context.principal = principal
        }
        try access.requireRate(principal)
        do {
            return try await next(request, context)
        } catch let denial as AccessDenial {
            access.note(denial, of: principal, request.head, context.client, requestID: context.requestID)
            throw denial
        }
    }
}
