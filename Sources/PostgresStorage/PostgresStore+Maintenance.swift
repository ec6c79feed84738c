package import Checkpoints
import Synchronization

extension PostgresStore: StoreMaintenance {
    package func deleteThread(_ thread: ThreadKey) async throws(StoreError) {
        let operation = "delete a thread"
        let isHeld = Mutex(false)
        let hasSettings = columns.hasSettings
        let edit = ThreadEdit(
            isDeletion: true, telling: { isHeld.withLock { $0 } ? nil : ThreadChange(thread, .deleted) }
        ) { transaction throws(PostgresFailure) in
            let found = hasSettings ? try StoredSettings.read(thread, transaction).isHeld : false
            isHeld.withLock { $0 = found }
            // Each statement's snapshot comes after the lock, and so after every change that was stored before.
            if !found { try transaction.run(Self.deletion(of: thread, hasSettings: hasSettings)) }
        }
        try await perform(.edit(thread, edit), operation)
        if isHeld.withLock({ $0 }) { throw StoreError(.held, during: operation) }
    }

    /// Deletes all that a thread has.
    static func deletion(of thread: ThreadKey, hasSettings: Bool) -> [PostgresStatement] {
        let statements = [deleteCheckpoints, deleteBlobs, deleteWrites].map { text in
            var parameters = PostgresParameters()
            parameters.add(thread.storedID)
            return PostgresStatement(text, parameters)
        }
        return hasSettings ? statements + [StoredSettings.deletion(of: thread)] : statements
    }

    private static let deleteCheckpoints = StatementText(
        "delete_checkpoints", "DELETE FROM checkpoints WHERE thread_id = $1")
    private static let deleteBlobs = StatementText("delete_blobs", "DELETE FROM checkpoint_blobs WHERE thread_id = $1")
    private static let deleteWrites = StatementText(
        "delete_writes", "DELETE FROM checkpoint_writes WHERE thread_id = $1")

    package func probe() async throws(StoreError) {
        try await perform(.probe, "probe the store")
    }
}
