import CheckpointAPI
import Checkpoints
import Glibc
import Hummingbird
import Logging
import NIOCore
import Observability
import ServiceLifecycle
import UnixSignals

/// Puts the parts together and runs them: configuration, store, router, signals.
struct Server {
    /// How long requests in flight may take once the server was told to end.
    private static let drainLimit = Duration.seconds(10)

    private let configuration: ServerConfiguration
    private let logger: Logger

    init(_ configuration: ServerConfiguration) {
        self.configuration = configuration
        let handler = LineLogHandler(format: configuration.logFormat, level: configuration.logLevel)
        logger = Logger(label: "milepost") { _ in handler }
    }

    /// Returns when a signal ended the server and everything accepted is stored.
    func run() async throws {
        ProcessMemory.returnFreedMegabytes()
        let store: any ThreadStore & StoreMaintenance
        do {
            store = try await configuration.store.open(keys: configuration.encryption.read())
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
        for warning in store.warnings {
            logger.warning("the store is not safe as it is set up", metadata: ["warning": .string(warning)])
        }
        do {
            let access = try await ServerAccess(configuration.access, logger: logger)
            do {
                try await serve(store, access)
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

    private func serve(_ store: some ThreadStore & StoreMaintenance, _ access: ServerAccess) async throws {
        let warning = configuration.exposure.warning
        let interface = buildInterface(
            store: store,
            limits: configuration.limits,
            access: access.control,
            warning: warning,
            logger: logger
        )
        let tls = try certificates()
        let application = Application(
            responder: interface.responder,
            server: interface.server(
                connections: OpenConnections(limits: connectionLimits()), tls: tls, logger: libraryLogger),
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port)
            ),
            onServerRunning: { announce($0, access) },
            logger: libraryLogger
        )
        var group = ServiceGroupConfiguration(
            services: [.init(service: application)]
                + (access.services + (tls.map { tls in [Upkeep { await tls.run() }] } ?? [])
                // The first to end: streams would go on for as long as their clients like.
                + [Upkeep { await interface.events.run() }]).map { .init(service: $0) },
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: libraryLogger
        )
        group.maximumGracefulShutdownDuration = Self.drainLimit
        do {
            try await ServiceGroup(configuration: group).run()
        } catch let error as IOError {
            throw StartError.machine(sentence(for: error))
        } catch let error as SocketAddressError.UnknownHost {
            throw StartError.machine(
                "host '\(error.host)' cannot be looked up (\(error.errorDescription)); "
                    + "give --host an address of this machine, such as 127.0.0.1, or a name that has one"
            )
        }
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

    private func announce(_ channel: any Channel, _ access: ServerAccess) {
        ProcessMemory.returnStartPages()
        if let warning = configuration.exposure.warning {
            logger.warning("anybody may do anything", metadata: ["warning": .string(warning)])
        }
        logger.notice(
            "listening",
            metadata: [
                "url":
                    "\(configuration.tls == nil ? "http" : "https")://\(configuration.authority(port: channel.localAddress?.port ?? configuration.port))",
                "store": .string(configuration.store.description),
                "authentication": .string(configuration.exposure.warning ?? access.description),
                "version": .string(Version.current),
            ]
        )
    }

    private func sentence(for error: IOError) -> String {
        let address = configuration.authority(port: configuration.port)
        return switch error.errnoCode {
        case EADDRINUSE: "\(address) is in use by another program; stop that one, or give this one another --port"
        case EADDRNOTAVAIL: "\(address) is not an address of this machine; give --host one that is, such as 127.0.0.1"
        case EACCES: "this user may not listen on \(address); give a --port above 1023"
        default: "cannot listen on \(address) (\(error)); check --host and --port"
        }
    }
}
