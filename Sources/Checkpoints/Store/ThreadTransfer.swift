/// One thing that a thread has stored, in the form in which threads move between stores.
package enum ThreadRow: Hashable, Sendable {
    case blob(namespace: Identifier, ChannelBlob)
    /// The checkpoint need not be there.
    case write(namespace: Identifier, checkpointID: Identifier, PendingWrite)
    case checkpoint(Checkpoint)
}

/// A store, or a file of another program, whose threads can be read one after the other.
package protocol ThreadSource: Sendable {
    /// The next threads after one, in an order of the store's own that stays the same; the first ones when `last` is nil.
    ///
    /// Threads that have nothing but writes, whose checkpoint never came, are among them. Fewer than `limit` are all
    /// that are left.
    func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey]

    /// Calls `body` with every row of a thread, all from one snapshot; not at all when there is no such thread.
    ///
    /// The order is fixed, so that equal threads of two stores give equal rows: blobs by (namespace, channel, version),
    /// then writes by (namespace, checkpoint id, task id, index), then checkpoints by (namespace, id); texts by their
    /// UTF-8 bytes, indexes as numbers. So what a checkpoint needs comes before it.
    ///
    /// Holds some rows and the keys of a thread in memory, never a whole thread. `body` is called on a thread of the
    /// store; what it throws ends the reading and is thrown here.
    func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError)
}

/// A store that takes threads of other stores.
package protocol ThreadTransfer: ThreadSource {
    /// Stores rows of a thread in one transaction; rows that are there may be added again.
    ///
    /// A blob's first bytes stay, and so does a write with its task path; a checkpoint is put as `CheckpointStore.put`
    /// puts it. Rows added in the order of `rows(of:)` never leave a checkpoint without its blobs for others to see.
    func add(_ rows: [ThreadRow], to thread: ThreadKey) async throws(StoreError)
}

extension ThreadKey: Comparable {
    /// By the tenant's, then the id's UTF-8 bytes.
    package static func < (left: ThreadKey, right: ThreadKey) -> Bool {
        left.tenant != right.tenant ? left.tenant.name < right.tenant.name : left.id < right.id
    }
}
