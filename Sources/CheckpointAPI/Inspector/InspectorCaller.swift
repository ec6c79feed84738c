import Authentication
import Checkpoints
import Hummingbird
import JSON

extension Endpoint {
    /// Who asks, and what it may do: what the page shows and offers depends on it.
    static func inspectorCaller(_ rules: CallRules) -> Endpoint {
        Endpoint(
            .get,
            "/inspector/caller",
            scope: .read,
            operation: OpenAPIOperation(
                id: "inspector_caller_inspector_caller_get",
                summary: "Inspector Caller",
                answer: .json(.reference(to: .inspectorCaller)),
                namesThread: false
            )
        ) { _, context in
            let caller = context.caller
            return .json([
                "version": .string(JSONString(Version.current)),
                "authentication": .bool(rules.access.authenticator != nil),
                "name": .string(JSONString(caller.name)),
                "tenant": .string(JSONString(caller.tenant.name.text)),
                "scopes": .strings(Scope.allCases.filter(caller.scopes.contains).map(\.rawValue)),
                "thread_prefix": .string(JSONString(caller.threadPrefix.text)),
            ])
        }
    }
}
