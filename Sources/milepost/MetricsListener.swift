import CheckpointAPI
import Hummingbird
import Logging
import Observability
import ServiceLifecycle
import Synchronization

/// Serves the metrics on a port of their own, and nothing else there.
struct MetricsListener: Service {
    private let listener: Listener
    private let metrics: ServerMetrics
    private let logger: Logger
    private let runs: @Sendable (_ port: Int?) -> Void

    /// `runs` is called with the port once it listens.
    init(
        _ listener: Listener,
        _ metrics: ServerMetrics,
        logger: Logger,
        runs: @escaping @Sendable (_ port: Int?) -> Void
    ) {
        self.listener = listener
        self.metrics = metrics
        self.logger = logger
        self.runs = runs
    }

    func run() async throws {
        let application = buildMetricsApplication(
            metrics, host: listener.host, port: listener.port, logger: logger, runs: runs)
        do {
            try await application.run()
        } catch {
            throw listener.startError(for: error)
        }
    }
}

/// Says once that the server listens: when all of its ports do.
final class Announcement: Sendable {
    private struct State {
        var serverPort: Int??
        var metricsPort: Int??
    }

    private let state: Mutex<State>
    private let announce: @Sendable (_ port: Int?, _ metricsPort: Int?) -> Void

    init(needsMetrics: Bool, announce: @escaping @Sendable (_ port: Int?, _ metricsPort: Int?) -> Void) {
        state = Mutex(State(metricsPort: needsMetrics ? nil : .some(nil)))
        self.announce = announce
    }

    func serverRuns(_ port: Int?) {
        note { $0.serverPort = .some(port) }
    }

    func metricsRun(_ port: Int?) {
        note { $0.metricsPort = .some(port) }
    }

    private func note(_ change: (inout sending State) -> Void) {
        let state = state.withLock { state in
            change(&state)
            return state
        }
        if let port = state.serverPort, let metricsPort = state.metricsPort { announce(port, metricsPort) }
    }
}
