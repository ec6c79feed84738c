import HTTPTypes
import Hummingbird
import NIOCore

/// The calls of the endpoint table that can be answered without a task, with all that the middleware does for the
/// others: permission, request id, errors, log.
package struct DirectCalls: Sendable {
    private struct Call {
        let permission: Permission?
        let run: Endpoint.DirectCall
    }

    private let calls: [String: Call]
    private let log: RequestLog

    package init(_ endpoints: [Endpoint], log: RequestLog) {
        let direct = endpoints.compactMap { endpoint in
            endpoint.direct.map { (endpoint.path, Call(permission: endpoint.permission, run: $0)) }
        }
        calls = Dictionary(uniqueKeysWithValues: direct)
        self.log = log
    }

    /// Answers the request and returns true, or returns false and does nothing.
    ///
    /// `answer` may be called before this returns, or later on another thread.
    func answer(
        _ head: HTTPRequest,
        _ body: ByteBuffer,
        then answer: @escaping @Sendable (Response) -> Void
    ) -> Bool {
        guard
            let path = head.path, let call = calls[path], body.readableBytes > 0,
            head.headerFields[.contentType] == "application/json"
        else { return false }
        let entry = log.begin(head)
        let principal = Principal.local
        @Sendable func end(_ result: Result<Void, any Error>) {
            var response =
                switch result {
                case .success: Response(status: .noContent)
                case .failure(let error): log.response(to: error, requestID: entry.id)
                }
            response.headers[.requestID] = entry.id
            log.end(entry, head, response.status)
            answer(response)
        }
        do {
            if let permission = call.permission { try principal.require(permission) }
            call.run(body, principal, end)
        } catch {
            end(.failure(error))
        }
        return true
    }
}
