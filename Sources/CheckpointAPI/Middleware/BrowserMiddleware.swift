import Authentication
import Hummingbird

/// Refuses what a browser sends for a page of another site, and writes it down.
///
/// It stands before anything is asked about the caller: a page must not use up the failures of its visitor's address.
struct BrowserMiddleware: RouterMiddleware {
    typealias Context = APIContext

    private let access: AccessControl
    private let rule: BrowserRule

    init(_ access: AccessControl, _ endpoints: [Endpoint]) {
        self.access = access
        rule = BrowserRule(
            isOpen: access.authenticator == nil,
            isOnLoopback: access.isOnLoopback,
            threadPaths: Set(endpoints.filter { $0.scope != nil && $0.scope != .admin }.map(\.path))
        )
    }

    func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        guard let refusal = rule.refusal(of: request.head) else { return try await next(request, context) }
        let denial = AccessDenial.browser(refusal)
        access.note(denial, of: context.principal, request.head, context.client, requestID: context.requestID)
        throw denial
    }
}
