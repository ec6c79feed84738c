import Checkpoints
import Hummingbird
import Logging
import NIOHTTP1

/// Turns what was thrown below into the contract's answers.
///
/// Nothing else decides a status for an error.
struct ErrorMiddleware: RouterMiddleware {
    typealias Context = APIContext

    let logger: Logger

    func handle(
        _ request: Request,
        context: APIContext,
        next: @concurrent (Request, APIContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as ValidationError {
            return error.response
        } catch let error as APIError {
            return .detail(error.status, error.detail)
        } catch let error as StoreError {
            log(error.debugDescription, error.isDefect ? .error : .warning, context)
            return error.response
        } catch let error as HTTPParserError {
            // The connection's own affair: Hummingbird answers 400 and closes it.
            throw error
        } catch {
            log(String(reflecting: error), .error, context)
            return .internalServerError
        }
    }

    private func log(_ error: String, _ level: Logger.Level, _ context: APIContext) {
        logger.log(
            level: level,
            "request failed",
            metadata: [LogKey.requestID: .string(context.requestID), LogKey.error: .string(error)]
        )
    }
}
