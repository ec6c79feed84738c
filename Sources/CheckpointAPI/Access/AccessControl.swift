package import Authentication
import Checkpoints
import HTTPTypes
import Hummingbird
import JSON
import NIOCore
package import Observability

/// What decides who may do what, and how often; and writes down who did.
///
/// A request goes through it in this order: who is it, how often, may it do such a thing, may it do it to these threads.
package struct AccessControl: Sendable {
    /// Nil when everybody is `Principal.local`.
    let authenticator: Authenticator?
    /// Asked about principals of the provider.
    let authorizer: AgentexAuthorizer?
    /// Requests of each authenticated principal; nil for as many as it likes.
    let rates: TokenBuckets<Principal.Caller>?
    let audit: AuditLog
    /// A proxy in front ends TLS: it is believed who the client is.
    let isBehindProxy: Bool
    /// Only this machine reaches the server.
    let isOnLoopback: Bool
    private let metrics: AccessMetrics?

    package init(
        authenticator: Authenticator?,
        authorizer: AgentexAuthorizer? = nil,
        rates: TokenBuckets<Principal.Caller>? = nil,
        audit: AuditLog,
        isBehindProxy: Bool = false,
        isOnLoopback: Bool = false,
        metrics: AccessMetrics? = nil
    ) {
        self.authenticator = authenticator
        self.authorizer = authorizer
        self.rates = rates
        self.audit = audit
        self.isBehindProxy = isBehindProxy
        self.isOnLoopback = isOnLoopback
        self.metrics = metrics
    }

    /// Everybody may do everything in the default tenant.
    package static let forEverybody = AccessControl(authenticator: nil, audit: .off)

    // MARK: - Who

    /// What can be said of a request's caller before its body was read, and without waiting.
    enum Admission: Sendable {
        case accepted(Principal)
        /// It has to be asked about, or is going to be refused.
        case undecided
        case refused

        var principal: Principal? {
            if case .accepted(let principal) = self { principal } else { nil }
        }

        var isRefusal: Bool {
            if case .refused = self { true } else { false }
        }
    }

    /// Has no effect on any throttle or log.
    func admission(_ head: HTTPRequest, _ client: ConnectedClient) -> Admission {
        guard let authenticator else { return .accepted(.local) }
        return switch authenticator.authenticateAtOnce(credentials(head, client)) {
        case .success(let principal): .accepted(principal)
        case .failure: .refused
        case nil: .undecided
        }
    }

    /// Throws what the client is told, having written it down.
    func authenticate(_ head: HTTPRequest, _ client: ConnectedClient, requestID: String) async throws -> Principal {
        guard let authenticator else { return .local }
        let credentials = credentials(head, client)
        switch await authenticator.authenticate(credentials) {
        case .accepted(let principal): return principal
        case .refused(let failure, let mode):
            metrics?.failed(mode: mode ?? "none", reason: failure.kind.rawValue)
            audit.note(
                AuditRecord(
                    .authentication,
                    .failed,
                    source: credentials.source,
                    requestID: requestID,
                    reason: mode.map { "\($0): \(failure.reason)" } ?? failure.reason
                )
            )
            throw mode == nil ? APIError.noCredential : .unauthenticated
        case .throttled(let wait):
            metrics?.failed(mode: "none", reason: "throttled")
            throw APIError.tooManyFailures(wait)
        }
    }

    private func credentials(_ head: HTTPRequest, _ client: ConnectedClient) -> Credentials {
        Credentials(
            headers: head.headerFields,
            certificateNames: client.certificateNames,
            source: client.source(of: head, behindProxy: isBehindProxy)
        )
    }

    /// Throws 429 when the principal has asked too often.
    func requireRate(_ principal: Principal) throws(APIError) {
        guard authenticator != nil, let wait = rates?.take(for: principal.caller) else { return }
        throw .tooManyRequests(wait)
    }

    // MARK: - What

    /// Throws unless the principal may do this to these threads.
    func require(_ use: ThreadUse, _ principal: Principal) async throws {
        try principal.require(use)
        guard let provided = principal.providerPrincipal else { return }
        switch use {
        case .thread(let thread, let operation): try await ask(provided, operation, on: thread)
        case .threads(let uses):
            for (thread, operation) in uses { try await ask(provided, operation, on: thread) }
        case .all: throw AccessDenial.span("The authorisation provider decides thread by thread")
        }
    }

    private func ask(_ provided: JSONText, _ operation: ThreadOperation, on thread: Identifier) async throws {
        guard let authorizer else { throw AccessDenial.span("Nobody can be asked about this credential's threads") }
        if case .refused(let refusal) = await authorizer.check(provided, thread: thread, operation) {
            throw AccessDenial(refusal, thread: thread)
        }
    }

    /// The same for a body that is none of the call's: what it names as its thread, if it does, is checked first.
    ///
    /// The provider's contract asks before the body is looked at, so that its shape tells a stranger nothing.
    func requireNamed(in body: ByteBuffer, _ scope: Scope, _ principal: Principal) async throws {
        guard principal.providerPrincipal != nil else { return }
        guard
            // What is no JSON, or beyond the limits, names no thread.
            let text = try? body.withUnsafeReadableBytes({ bytes in
                let document = try JSONDocument(parsing: bytes, shape: Self.threadID, limits: .request)
                return document.utf8String(of: document.member(0, of: document.root))
            })
        else { return }
        try await require(.thread(Identifier(text), scope.operation), principal)
    }

    private static let threadID = JSONShape.object(JSONFields([(name: "thread_id", shape: .value)]))

    // MARK: - The audit log

    /// Does what has to be written down: before, or it does not happen, and afterwards.
    ///
    /// An error is thrown on as it is: what became of the change is as unknown as without a log.
    func audited(
        _ event: AuditRecord.Event,
        _ use: ThreadUse,
        _ request: Request,
        _ context: APIContext,
        _ act: () async throws -> Response
    ) async throws -> Response {
        func record(_ outcome: AuditRecord.Outcome) -> AuditRecord {
            AuditRecord(
                event,
                outcome,
                principal: context.principal,
                source: context.client.source(of: request.head, behindProxy: isBehindProxy),
                requestID: context.requestID,
                threads: use.threads
            )
        }
        do {
            try audit.write(record(.begun))
        } catch {
            throw APIError.unaudited
        }
        do {
            let response = try await act()
            audit.note(record(response.status.kind == .successful ? .done : .failed))
            return response
        } catch {
            audit.note(record(.failed))
            throw error
        }
    }

    func note(
        _ denial: AccessDenial, of principal: Principal?, _ head: HTTPRequest, _ client: ConnectedClient,
        requestID: String
    ) {
        metrics?.denied()
        audit.note(
            AuditRecord(
                .access,
                .denied,
                principal: principal,
                source: client.source(of: head, behindProxy: isBehindProxy),
                requestID: requestID,
                threads: denial.thread.map { [$0] } ?? [],
                reason: denial.reason
            )
        )
    }
}
