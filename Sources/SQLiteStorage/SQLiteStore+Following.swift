package import Checkpoints

extension SQLiteStore {
    /// Waits until the changes that came before, of which nobody would be told, are committed.
    ///
    /// Costs a transaction without a change, which flushes nothing.
    package func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower {
        let follower = writer.feed.follow(thread, receive)
        try await writer.perform("follow a thread") { _ in }
        return follower
    }
}

extension SQLiteWriter {
    /// What is told of a change that is made now: nothing is kept for it while nobody follows anything.
    func effect(_ effect: @autoclosure () -> @Sendable () -> ThreadChange?) -> Telling {
        feed.isFollowed ? .effect(effect()) : .unasked
    }
}
