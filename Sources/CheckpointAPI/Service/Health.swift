import Checkpoints
import Hummingbird
import JSON

extension Endpoint {
    /// Is the process up? Asks nothing of the store.
    ///
    /// Both also show `warning`, if there is one.
    static func health(_ warning: String?) -> Endpoint {
        Endpoint(.get, "/healthz") { _, _ in .status("ok", warning) }
    }

    /// Does the store take changes? Writes and flushes a probe: 200, or 503 with `retry-after`.
    static func readiness(_ store: some StoreMaintenance, _ warning: String?) -> Endpoint {
        Endpoint(.get, "/readyz") { _, _ in
            try await store.probe()
            return .status("ready", warning)
        }
    }
}

extension Response {
    fileprivate static func status(_ status: JSONString, _ warning: String?) -> Response {
        var members = [JSONMember(name: "status", value: .string(status))]
        if let warning { members.append(JSONMember(name: "warning", value: .string(JSONString(warning)))) }
        return .json(.object(members))
    }
}
