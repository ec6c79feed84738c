import Authentication
import CheckpointAPI
import Logging
import Observability
import ServiceLifecycle
import SystemPackage

/// The parts that decide who gets in, made as the configuration says.
struct ServerAccess {
    let control: AccessControl
    let audit: AuditLog
    /// What keeps keys and the like up to date while the server runs.
    private(set) var services: [Upkeep] = []
    private var provider: AgentexProvider?

    /// For the log: which credentials are taken.
    let description: String

    /// Without `writesAudit` no audit log is opened: for who only looks whether all can be made.
    init(
        _ configuration: AccessConfiguration,
        writesAudit: Bool = true,
        isOnLoopback: Bool = false,
        metrics: ServerMetrics = ServerMetrics(version: Version.current),
        tracer: OTLPTracer? = nil,
        logger: Logger
    ) async throws(StartError) {
        let audit = writesAudit ? try Self.audit(configuration, logger) : .off
        self.audit = audit
        var modes: [any AuthenticationMode] = []
        var authorizer: AgentexAuthorizer?
        if let path = configuration.apiKeysFile {
            let ring = try StartError.fromKeyFile { () throws(APIKeyFileError) in
                try APIKeyRing(file: APIKeyFile(path: path), logger: logger)
            }
            modes.append(ring)
            services.append(Upkeep { await ring.run() })
        }
        if let jwt = configuration.jwt {
            let mode = try await Self.mode(jwt, tracer, logger)
            modes.append(mode)
            services.append(Upkeep { await mode.run() })
        }
        if let path = configuration.clientCertificatesFile {
            let mode = try Self.mode(certificates: path, logger)
            modes.append(mode)
            services.append(Upkeep { await mode.run() })
        }
        // It comes last: whatever headers a request has, the provider says what they are worth.
        if let url = configuration.agentexURL {
            let provider = try Self.provider(url, tracer)
            self.provider = provider
            modes.append(AgentexMode(provider: provider))
            authorizer = AgentexAuthorizer(provider: provider)
        }
        let authenticator = modes.isEmpty ? nil : Authenticator(modes)
        description = authenticator?.description ?? "none"
        let rate = Double(configuration.rateLimit)
        control = AccessControl(
            authenticator: authenticator,
            authorizer: authorizer,
            rates: rate > 0 ? TokenBuckets(perSecond: rate, burst: 2 * rate) : nil,
            audit: audit,
            isBehindProxy: configuration.isBehindProxy,
            isOnLoopback: isOnLoopback,
            metrics: metrics.access
        )
        metrics.show(control)
    }

    /// Lets go of what is connected to others.
    func close() async {
        // It fails only for a client that has ended already.
        try? await provider?.shutdown()
    }

    /// On an open server nothing is written down unless a file is named: everybody is the same one.
    private static func audit(_ configuration: AccessConfiguration, _ logger: Logger) throws(StartError) -> AuditLog {
        guard configuration.auditLog != nil || !configuration.isOpen else { return .off }
        let audit = AuditLog(path: configuration.auditLog.map { FilePath($0) }, logger: logger)
        do {
            try audit.check()
        } catch {
            throw .machine(error.description)
        }
        return audit
    }

    private static func mode(
        _ configuration: JWTConfiguration,
        _ tracer: OTLPTracer?,
        _ logger: Logger
    ) async throws(StartError) -> JWTMode {
        do throws(JWTSettingsError) {
            let settings = try JWTSettings(
                jwks: configuration.jwks,
                issuer: configuration.issuer,
                audience: configuration.audience,
                algorithms: configuration.algorithms,
                tenantClaim: configuration.tenantClaim,
                scopesClaim: configuration.scopesClaim
            )
            return try await JWTMode(settings, logger: logger, tracer: tracer)
        } catch {
            throw .usage(error.description)
        }
    }

    private static func mode(certificates path: String, _ logger: Logger) throws(StartError) -> ClientCertificateMode {
        do throws(ClientCertificateFileError) {
            return try ClientCertificateMode(file: path, logger: logger)
        } catch {
            throw .machine(error.description)
        }
    }

    private static func provider(_ url: String, _ tracer: OTLPTracer?) throws(StartError) -> AgentexProvider {
        do {
            return try AgentexProvider(url: url, tracer: tracer)
        } catch {
            throw .usage("agentex-auth-url: \(error.description)")
        }
    }
}

/// Something that goes on until the server ends.
struct Upkeep: Service {
    let work: @Sendable () async -> Void

    init(_ work: @escaping @Sendable () async -> Void) {
        self.work = work
    }

    func run() async throws {
        await cancelWhenGracefulShutdown(work)
    }
}
