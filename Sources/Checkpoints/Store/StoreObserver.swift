/// Who is told what a store does while it does it.
///
/// Called on the store's own threads, which it must not hold up: a call costs some additions. Nothing of what it is told
/// names a thread or a tenant.
package protocol StoreObserver: Sendable {
    /// A transaction is durable.
    func committed(_ report: CommitReport)

    /// A transaction failed, whether its changes come again or not.
    func commitFailed()

    /// A file was flushed to its disk, as part of a commit or between two.
    func flushed(_ time: Duration)

    /// So many blobs were forgotten to make room in memory.
    func evicted(_ count: Int)
}

/// What a transaction took.
package struct CommitReport: Sendable {
    /// For each change, how long it waited before the transaction began.
    package var waits: [Duration]
    /// From the beginning of the transaction until its changes were applied; nil where the two cannot be told apart.
    package var applying: Duration?
    /// From there until it was durable.
    package var committing: Duration
    /// What the values of its changes come to as they came.
    package var logicalBytes = 0
    /// What is kept of them; 0 where the store does not know.
    package var storedBytes = 0

    package init(waits: [Duration], applying: Duration?, committing: Duration) {
        self.waits = waits
        self.applying = applying
        self.committing = committing
    }
}

/// What a store knows of itself without asking its database.
package struct StoreLoad: Hashable, Sendable {
    /// Connections of one kind.
    package struct Lane: Hashable, Sendable {
        package let name: String
        package let open: Int
        /// Those that are at work.
        package let busy: Int

        package init(name: String, open: Int, busy: Int) {
            self.name = name
            self.open = open
            self.busy = busy
        }
    }

    /// The size of the write-ahead log's file; nil for a store that has none.
    package var logBytes: Int?
    /// What is left on the disk of the store's file; nil for a store that has none.
    package var diskFreeBytes: Int?
    package var lanes: [Lane]

    package init(logBytes: Int? = nil, diskFreeBytes: Int? = nil, lanes: [Lane] = []) {
        self.logBytes = logBytes
        self.diskFreeBytes = diskFreeBytes
        self.lanes = lanes
    }
}

/// How large a store is; nil for what it cannot say.
package struct StoreSizes: Hashable, Sendable {
    /// Of its file, or of its tables and their indexes.
    package var bytes: Int?
    /// Of those, what is free to be used again.
    package var freeBytes: Int?

    package init(bytes: Int? = nil, freeBytes: Int? = nil) {
        self.bytes = bytes
        self.freeBytes = freeBytes
    }
}
