/// Writes of one request that are alike in what happens to those that are there already.
package struct WriteGroup: Hashable, Sendable {
    package let writes: [PendingWrite]
    package let policy: WriteConflictPolicy

    package init(_ writes: [PendingWrite], onConflict policy: WriteConflictPolicy) {
        self.writes = writes
        self.policy = policy
    }
}
