/// A store that tells what is committed to a thread, as it happens.
package protocol ThreadFollowing: Sendable {
    /// Calls `receive` for each change of the thread that is committed from now on, until what this returns is ended or
    /// let go of.
    ///
    /// What was committed when this returns is seen by every read that begins later; what is not, is told. So who reads
    /// the thread after this and takes in what was told meanwhile misses nothing, and may meet a change in both.
    /// Changes made through this store come in the order of their commits.
    ///
    /// `receive` is called on threads of the store, one call at a time, and must not hold them up, call the store, or end
    /// the following.
    func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) async throws(StoreError) -> ThreadFollower
}
