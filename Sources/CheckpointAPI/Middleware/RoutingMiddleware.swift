import HTTPTypes
import Hummingbird

/// Answers 404 and 405 as the API's first server does.
///
/// A path matches exactly: the router alone would take `//checkpoints/put` and `/checkpoints/put/` for the call, and
/// answer 404 where the path exists with another method.
struct RoutingMiddleware: RouterMiddleware {
    typealias Context = APIContext

    private let methods: [String: Set<HTTPRequest.Method>]

    init(_ endpoints: [Endpoint]) {
        methods = Dictionary(grouping: endpoints, by: \.path).mapValues { Set($0.map(\.method)) }
    }

    /// The path as the table has it.
    static func route(_ path: String) -> String {
        if let path = ThreadPath(path) { return path.template }
        return path.hasPrefix(ThreadPath.collection + "?") ? ThreadPath.collection : path
    }

    func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        if let problem = request.head.problem { throw problem }
        let path = request.head.path ?? ""
        // Most are in the table as they are.
        guard let allowed = methods[path] ?? methods[Self.route(path)] else {
            return .detail(.notFound, "Not Found")
        }
        guard allowed.contains(request.method) else {
            var response = Response.detail(.methodNotAllowed, "Method Not Allowed")
            response.headers[.allow] = allowed.map(\.rawValue).sorted().joined(separator: ", ")
            return response
        }
        return try await next(request, context)
    }
}
