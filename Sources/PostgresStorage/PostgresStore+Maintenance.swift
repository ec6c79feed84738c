package import Checkpoints

extension PostgresStore: StoreMaintenance {
    package func deleteThread(_ thread: ThreadKey) async throws(StoreError) {
        try await perform(.deleteThread(thread), "delete a thread")
    }

    package func probe() async throws(StoreError) {
        try await perform(.probe, "probe the store")
    }
}
