import Checkpoints
import HTTPTypes
import Hummingbird

/// Answers with the request's id, and logs a line about it.
///
/// Being the outermost, it also leaves out the body of whatever answers HEAD: a client would take it for the next answer.
struct RequestLogMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let log: RequestLog

    func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        let entry = log.begin(request.head, since: context.start)
        var context = context
        context.requestID = entry.id
        var response: Response
        if let times = entry.times {
            response = try await CallTimes.$current.withValue(times) { [context] in try await next(request, context) }
        } else {
            response = try await next(request, context)
        }
        response.headers[.requestID] = entry.id
        log.end(entry, request.head, response.status)
        return request.method == .head ? response.createHeadResponse() : response
    }
}
