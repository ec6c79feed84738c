package import Checkpoints

extension PostgresStore {
    /// Changes made through other servers over the same tables are told as well.
    ///
    /// They are notified of the thread, and notify it from then on; what was committed before they had heard of it, or was
    /// not stored by a server of this kind, is found by looking. DESIGN.md says how soon.
    package func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower {
        let (follower, mustRead) = following.follow(thread, receive)
        if mustRead {
            let look = following.look(at: thread)
            let found: PostgresFollowing.Look.Found = try await answered { readers.add(look.read(then: $0)) }
            following.saw(found, look)
        }
        listener?.began(thread)
        return follower
    }
}
