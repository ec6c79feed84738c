/// What a credential lets its holder do.
///
/// The names are those of key files, tokens and certificates.
package enum Scope: String, Hashable, Sendable, CaseIterable {
    /// Get-tuple, list, delta-channel-history, the threads.
    case read
    /// Put, put-writes, and the target of copy-thread.
    case write
    /// Delete-thread, delete-for-runs, prune.
    case delete
    /// What concerns the whole server.
    case admin
    /// With `read`: stored content in the inspector; without it, structure and sizes.
    case inspect
}
