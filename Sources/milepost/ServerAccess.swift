import Authentication
import CheckpointAPI
import Logging
import ServiceLifecycle
import SystemPackage

/// The parts that decide who gets in, made as the configuration says.
struct ServerAccess {
    let control: AccessControl
    /// What keeps keys and the like up to date while the server runs.
    let services: [any Service]
    /// For the log: which credentials are taken.
    let description: String

    init(_ configuration: AccessConfiguration, logger: Logger) throws(StartError) {
        let audit = AuditLog(path: configuration.auditLog.map { FilePath($0) }, logger: logger)
        do {
            try audit.check()
        } catch {
            throw .machine(error.description)
        }
        let modes: [any AuthenticationMode] = []
        let authenticator = modes.isEmpty ? nil : Authenticator(modes)
        let rate = Double(configuration.rateLimit)
        control = AccessControl(
            authenticator: authenticator,
            rates: rate > 0 ? TokenBuckets(perSecond: rate, burst: 2 * rate) : nil,
            audit: audit,
            isBehindProxy: configuration.isBehindProxy
        )
        services = []
        description = authenticator?.description ?? "none"
    }
}
