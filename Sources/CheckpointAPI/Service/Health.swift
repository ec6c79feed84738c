import Checkpoints
import Hummingbird
import JSON

extension Endpoint {
    /// Is the process up? Asks nothing of the store.
    static var health: Endpoint {
        Endpoint(.get, "/healthz") { _, _ in .json(["status": "ok"]) }
    }

    /// Does the store take changes? Writes and flushes a probe: 200, or 503 with `retry-after`.
    static func readiness(_ store: some StoreMaintenance) -> Endpoint {
        Endpoint(.get, "/readyz") { _, _ in
            try await store.probe()
            return .json(["status": "ready"])
        }
    }
}
