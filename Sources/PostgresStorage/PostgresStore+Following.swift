package import Checkpoints

extension PostgresStore {
    package func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower {
        ChangeFeed().follow(thread, receive)
    }
}
