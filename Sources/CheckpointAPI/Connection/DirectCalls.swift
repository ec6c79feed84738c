import Authentication
import Checkpoints
import HTTPTypes
import Hummingbird
import NIOCore

/// The calls of the endpoint table that can be answered without a task, with all that the middleware does for the
/// others: permission, request id, errors, log.
package struct DirectCalls: Sendable {
    private struct Call {
        let scope: Scope?
        let run: Endpoint.Direct<ByteBuffer>
    }

    private let calls: [String: Call]
    private let paths: Set<String>
    private let access: AccessControl
    private let bodyLimit: Int
    private let answers: BodyBudget
    private let log: RequestLog

    /// `bodyLimit` and `answers`, in which answers to reads are counted, are those of the endpoints.
    package init(
        _ endpoints: [Endpoint],
        access: AccessControl,
        bodyLimit: Int = .max,
        answers: BodyBudget = BodyBudget(limit: .max),
        log: RequestLog
    ) {
        let direct = endpoints.compactMap { endpoint in
            endpoint.direct.map { (endpoint.path, Call(scope: endpoint.scope, run: $0)) }
        }
        calls = Dictionary(uniqueKeysWithValues: direct)
        paths = Set(endpoints.filter { $0.method == .post }.map(\.path))
        self.access = access
        self.bodyLimit = bodyLimit
        self.answers = answers
        self.log = log
    }

    /// Whether the request is for a call that reads its body, which is not too large as far as is announced.
    func takesBody(of head: HTTPRequest) -> Bool {
        guard head.method == .post, let path = head.path, paths.contains(path) else { return false }
        return head.headerFields.value(of: .contentLength).flatMap { Int($0) } ?? 0 <= bodyLimit
    }

    /// What can be said of the caller before the body was read.
    func admission(_ head: HTTPRequest, _ client: ConnectedClient) -> AccessControl.Admission {
        access.admission(head, client)
    }

    /// An answer whose parts are at hand, or a refusal as the middleware would make it.
    enum Answer: Sendable {
        case whole(WholeResponse)
        case refusal(Response)
    }

    /// Answers the request and returns true, or returns false and does nothing.
    ///
    /// `answer` may be called before this returns, or later on another thread.
    func answer(
        _ request: CollectedRequest,
        of principal: Principal,
        from client: ConnectedClient,
        then answer: @escaping @Sendable (Answer) -> Void
    ) -> Bool {
        let (head, body) = (request.head, request.body)
        guard
            let path = head.path, let call = calls[path], body.readableBytes > 0,
            principal.providerPrincipal == nil,  // the provider is asked in a task
            head.isPlainJSON  // what a page sends is looked at more closely
        else { return false }
        let entry = log.begin(head, since: request.start)
        @Sendable func end(_ result: Result<CallAnswer, any Error>) {
            do {
                let called = try result.get()
                // What was changed is said in any case.
                let reservation = call.scope == .read ? try called.reservation(in: answers) : nil
                var response = WholeResponse(called, reservation)
                response.head.headerFields[.requestID] = entry.id
                log.end(entry, head, response.head.status)
                answer(.whole(response))
            } catch {
                if let denial = error as? AccessDenial {
                    access.note(denial, of: principal, head, client, requestID: entry.id)
                }
                var response = log.response(to: error, requestID: entry.id)
                response.headers[.requestID] = entry.id
                log.end(entry, head, response.status)
                answer(.refusal(response))
            }
        }
        do {
            try access.requireRate(principal)
            if let scope = call.scope { try principal.require(scope) }
            guard let times = entry.times else {
                call.run(body, principal, end)
                return true
            }
            CallTimes.$current.withValue(times) { call.run(body, principal, end) }
        } catch {
            end(.failure(error))
        }
        return true
    }
}
