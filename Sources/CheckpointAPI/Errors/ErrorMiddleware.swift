import Hummingbird
import NIOCore
import NIOHTTP1

/// Turns what was thrown below into the contract's answers.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let log: RequestLog

    func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPParserError {
            // The connection's own affair: Hummingbird answers 400 and closes it.
            throw error
        } catch let error where error is IOError || error is ChannelError || error is CancellationError {
            // The client is gone, or its connection is being ended: there is nobody to answer, and nothing is wrong here.
            throw error
        } catch {
            return log.response(to: error, requestID: context.requestID)
        }
    }
}
