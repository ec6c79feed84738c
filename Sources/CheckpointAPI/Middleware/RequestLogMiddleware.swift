import Checkpoints
import HTTPTypes
import Hummingbird
import ServiceContextModule

/// Answers with the request's id, makes it a part of its trace, and logs a line about it.
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
        do {
            if entry.trace == nil, entry.times == nil {
                response = try await next(request, context)
            } else {
                response = try await ServiceContext.withValue(entry.trace?.context) { [context] in
                    try await CallTimes.$current.withValue(entry.times) { try await next(request, context) }
                }
            }
        } catch {
            log.abandon(entry, request.head)
            throw error
        }
        response.headers[.requestID] = entry.id
        log.end(entry, request.head, response.status)
        return request.method == .head ? response.createHeadResponse() : response
    }
}
