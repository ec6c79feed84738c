package import Checkpoints
package import JSON

/// What a call does to a thread, in the words of the Agentex provider contract.
package enum ThreadOperation: String, Hashable, Sendable, CaseIterable {
    case read
    case update
    case delete
}

/// Whether a caller may do something to a thread.
package enum ThreadDecision: Hashable, Sendable {
    case allowed
    /// What the client is told instead, as `{"message": …, "code": …, "data": null}`.
    case refused(status: Int, message: String)
}

/// Decides thread by thread what a caller may do.
package protocol ThreadAuthorizer: Sendable {
    /// `principal` is `Principal.providerPrincipal`, word for word.
    func decide(_ principal: JSONText, _ operation: ThreadOperation, on thread: Identifier) async -> ThreadDecision
}
