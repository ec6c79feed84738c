import Checkpoints
import Synchronization

/// Who follows which thread: through this server, and through others.
final class PostgresFollowing: Sendable {
    /// Names this server to the others, for as long as it runs.
    let server = String(UInt64.random(in: .min ... .max), radix: 16)
    let feed = ChangeFeed()
    let remote = RemoteFollowers()
    private let threads = Mutex<[ThreadKey: FollowedThread]>([:])

    // MARK: - What is committed

    /// What others must hear with the transaction of these changes.
    func notifications(for changes: [Change]) -> [[UInt8]] {
        remote.told(changes).map { Notification.change(server: server, $0).text }
    }

    /// These changes are durable.
    func committed(_ changes: [Change]) {
        guard feed.isFollowed else { return }
        took(changes.compactMap { $0.thread.map(feed.isFollowed) == true ? $0.told : nil })
    }

    /// A server has told of a change; what this one has committed was told before.
    func heard(_ change: ThreadChange, from server: String) {
        if server != self.server, feed.isFollowed(change.thread) { took([change]) }
    }

    /// Under the lock, so that what was found out in two ways is told in one order.
    private func took(_ changes: [ThreadChange]) {
        threads.withLock { threads in
            feed.publish(
                changes.compactMap { change in
                    guard let thread = threads[change.thread] else { return change }
                    var changed = thread
                    let effect = changed.take(change.effect)
                    threads[change.thread] = changed
                    return effect.map { ThreadChange(change.thread, $0) }
                }
            )
        }
    }

    // MARK: - What is read

    /// Adds one who follows the thread; whether it must be read what the thread has before anybody is told of changes.
    func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) -> (follower: ThreadFollower, mustRead: Bool) {
        threads.withLock { threads in
            // What became known for others, who are gone, is of then.
            if !feed.isFollowed(thread) { threads[thread] = FollowedThread(after: threads[thread]) }
            return (feed.follow(thread, receive), threads[thread]?.knowledge == .awaited)
        }
    }

    /// A look at what all followed threads have now; nil when there are none.
    struct Look {
        let query: FollowQuery
        fileprivate let versions: [ThreadKey: Int]
        /// Whether it is about one thread that begins to be followed.
        fileprivate let isBeginning: Bool
    }

    /// For a thread that begins to be followed.
    func look(at thread: ThreadKey) -> Look {
        Look(
            query: FollowQuery(floors: [thread: ListOrder?.none], limit: FollowQuery.limits.beginning),
            versions: [:],
            isBeginning: true
        )
    }

    /// For those of which something has been told; the rest is forgotten.
    func look() -> Look? {
        threads.withLock { threads in
            threads = threads.filter { feed.isFollowed($0.key) }
            let known = threads.filter { $0.value.knowledge != .awaited }
            guard !known.isEmpty else { return nil }
            return Look(
                query: FollowQuery(
                    floors: known.mapValues { $0.knowledge == .complete ? $0.floor : nil },
                    limit: FollowQuery.limits.later
                ),
                versions: known.mapValues(\.version),
                isBeginning: false
            )
        }
    }

    func saw(_ found: [ThreadKey: [ReadCheckpoint]], _ look: Look) {
        threads.withLock { threads in
            for thread in look.query.floors.keys {
                guard var followed = threads[thread] else { continue }
                let read = found[thread] ?? []
                var effects: [ThreadChange.Effect] = []
                if look.isBeginning {
                    if followed.knowledge == .awaited { followed.begin(with: read) }
                } else if followed.knowledge == .lost || read.count >= look.query.limit {
                    followed = FollowedThread(after: followed)
                    followed.begin(with: read)
                    // What came before this was read is read by whoever is told so.
                    effects = [.missed]
                } else if let version = look.versions[thread] {
                    effects = followed.take(read, since: version)
                }
                threads[thread] = followed
                feed.publish(effects.map { ThreadChange(thread, $0) })
            }
        }
    }
}
