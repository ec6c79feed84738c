import CheckpointAPI
import Checkpoints
import Hummingbird
import Logging
import Metrics
import Observability
import ServiceLifecycle
import Tracing
import UnixSignals

/// Puts the parts together and runs them: configuration, store, router, signals.
struct Server {
    /// How long requests in flight may take once the server was told to end.
    private static let drainLimit = Duration.seconds(10)

    private let configuration: ServerConfiguration
    private let metrics: ServerMetrics
    private let logger: Logger

    init(_ configuration: ServerConfiguration) {
        self.configuration = configuration
        metrics = ServerMetrics(version: Version.current)
        let handler = LineLogHandler(format: configuration.logFormat, level: configuration.logLevel)
        logger = Logger(label: "milepost") { _ in handler }
    }

    /// Returns when a signal ended the server and everything accepted is stored.
    func run() async throws {
        ProcessMemory.returnFreedMegabytes()
        // What libraries count is on the page too.
        MetricsSystem.bootstrap(metrics.factory)
        let policies = try configuration.retention.policies()
        let store: any RetainingStore & StoreMaintenance
        do {
            store = try await configuration.store.open(keys: configuration.encryption.read(), metrics: metrics)
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
        for warning in store.warnings {
            logger.warning("the store is not safe as it is set up", metadata: ["warning": .string(warning)])
        }
        do {
            let traces = ServerTraces(configuration.observation, logger: logger)
            // For libraries that look for a tracer there; what is traced here is given its own.
            if let traces { InstrumentationSystem.bootstrap(traces.tracer) }
            let access = try await ServerAccess(
                configuration.access,
                isOnLoopback: configuration.exposure.isLoopback,
                metrics: metrics,
                tracer: traces?.tracer,
                logger: logger
            )
            do {
                try await serve(store, access, policies, traces)
            } catch {
                await access.close()
                throw error
            }
            await access.close()
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        logger.notice("stopped")
    }

    private func serve(
        _ store: some RetainingStore & StoreMaintenance,
        _ access: ServerAccess,
        _ policies: RetentionPolicies,
        _ traces: ServerTraces?
    ) async throws {
        let sweeper = sweeper(store, access, policies)
        let warning = configuration.exposure.warning
        let interface = buildInterface(
            store: store,
            limits: configuration.limits,
            access: access.control,
            warning: warning,
            // Strangers shall not find a page that shows them everything.
            hasInspector: !configuration.access.hasNoInspector && warning == nil,
            observation: Observation(
                metrics: metrics,
                slowCall: configuration.observation.slowCall,
                tracer: traces?.tracer,
                scheme: scheme
            ),
            logger: logger
        )
        let tls = try certificates()
        let connections = OpenConnections(limits: connectionLimits())
        metrics.show(connections, interface.budget)
        let announcement = Announcement(needsMetrics: configuration.observation.metrics != nil) {
            announce($0, $1, access)
        }
        let application = Application(
            responder: interface.responder,
            server: interface.server(
                connections: connections, tls: tls, logger: libraryLogger),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port)
            ),
            onServerRunning: { announcement.serverRuns($0.localAddress?.port) },
            logger: libraryLogger
        )
        // They are ended in the opposite order: the spans of the last requests are sent, too.
        let exporter = traces.map { [ServiceGroupConfiguration.ServiceConfiguration(service: $0.service)] } ?? []
        var group = ServiceGroupConfiguration(
            services: exporter + [.init(service: application)] + metricsListener(announcement)
                + (access.services + (tls.map { tls in [Upkeep { await tls.run() }] } ?? [])
                + [Upkeep { await sweeper.run() }]
                // The first to end: streams would go on for as long as their clients like.
                + [Upkeep { await interface.events.run() }]).map { .init(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: libraryLogger
        )
        group.maximumGracefulShutdownDuration = Self.drainLimit
        do {
            try await ServiceGroup(configuration: group).run()
        } catch {
            throw configuration.listener.startError(for: error)
        }
    }

    private func metricsListener(_ announcement: Announcement) -> [ServiceGroupConfiguration.ServiceConfiguration] {
        guard let listener = configuration.observation.metrics else { return [] }
        let service = MetricsListener(listener, metrics, logger: libraryLogger) { announcement.metricsRun($0) }
        return [.init(service: service)]
    }

    private func sweeper(_ store: any RetainingStore, _ access: ServerAccess, _ policies: RetentionPolicies) -> Sweeper
    {
        Sweeper(
            store: store,
            policies: policies,
            interval: configuration.retention.interval,
            audit: access.audit,
            logger: logger,
            observe: { metrics.retention.observe($0) }
        )
    }

    private func certificates() throws(StartError) -> TLSCertificates? {
        guard let tls = configuration.tls else { return nil }
        do {
            return try TLSCertificates(
                TLSSettings(
                    certificateFile: tls.certificateFile,
                    keyFile: tls.keyFile,
                    clientCAFile: tls.clientCAFile
                ),
                logger: logger
            )
        } catch {
            throw .machine(error.description)
        }
    }

    /// As configured, or as many connections as the system lets this process have.
    private func connectionLimits() -> ConnectionLimits {
        var limits = configuration.connections
        let possible = FileLimit.raise()
        if possible < limits.connections {
            logger.warning(
                "the system lets this process have fewer connections than max-connections; raise its limit of open files",
                metadata: ["connections": .stringConvertible(possible)]
            )
            limits.connections = possible
        }
        return limits
    }

    /// The libraries' own lines are for whoever debugs this program.
    private var libraryLogger: Logger {
        var logger = logger
        logger.logLevel = configuration.logLevel < .info ? configuration.logLevel : .warning
        return logger
    }

    /// What the server's URLs begin with.
    private var scheme: String { configuration.tls == nil ? "http" : "https" }

    private func announce(_ port: Int?, _ metricsPort: Int?, _ access: ServerAccess) {
        ProcessMemory.returnStartPages()
        if let warning = configuration.exposure.warning {
            logger.warning("anybody may do anything", metadata: ["warning": .string(warning)])
        }
        let listener = configuration.listener
        var metadata: Logger.Metadata = [
            "url": "\(scheme)://\(listener.authority(port: port))",
            "store": .string(configuration.store.description),
            "authentication": .string(configuration.exposure.warning ?? access.description),
            "version": .string(Version.current),
        ]
        if let metrics = configuration.observation.metrics {
            metadata["metrics"] = "http://\(metrics.authority(port: metricsPort))/metrics"
        }
        if let collector = configuration.observation.tracesURL {
            metadata["traces"] = .string(collector.description)
        }
        logger.notice("listening", metadata: metadata)
    }
}
