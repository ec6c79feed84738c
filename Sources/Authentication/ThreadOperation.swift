/// What a call does to a thread, in the words of the Agentex provider.
package enum ThreadOperation: String, Hashable, Sendable, CaseIterable {
    /// Get-tuple, list, and whatever else only reads.
    case read
    /// Put and put-writes.
    case update
    /// Delete-thread.
    case delete
}
