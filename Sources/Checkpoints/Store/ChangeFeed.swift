import Synchronization

/// Who follows which thread of one store.
///
/// Where nobody follows anything, a change costs its store one look at `isFollowed`.
package final class ChangeFeed: Sendable {
    private struct State {
        var followers: [ThreadKey: [Int: Receive]] = [:]
        var next = 0
    }

    private typealias Receive = @Sendable (ThreadChange) -> Void

    private let state = Mutex(State())
    /// Whether there is a follower of any thread.
    private let hasFollowers = Atomic(false)

    package init() {}

    /// Whether any thread is followed.
    ///
    /// Sequentially consistent: who asks the store something after it began to follow is not overlooked by who commits
    /// later.
    package var isFollowed: Bool { hasFollowers.load(ordering: .sequentiallyConsistent) }

    package func isFollowed(_ thread: ThreadKey) -> Bool {
        isFollowed && state.withLock { $0.followers[thread] != nil }
    }

    /// The threads that are followed, each once.
    package var threads: [ThreadKey] { state.withLock { Array($0.followers.keys) } }

    /// Adds one who follows the thread.
    package func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) -> ThreadFollower {
        let number = state.withLock { state in
            state.next += 1
            state.followers[thread, default: [:]][state.next] = receive
            hasFollowers.store(true, ordering: .sequentiallyConsistent)
            return state.next
        }
        return ThreadFollower(self, thread, number)
    }

    fileprivate func remove(_ number: Int, of thread: ThreadKey) {
        state.withLock { state in
            state.followers[thread]?[number] = nil
            if state.followers[thread]?.isEmpty == true { state.followers[thread] = nil }
            hasFollowers.store(!state.followers.isEmpty, ordering: .sequentiallyConsistent)
        }
    }

    /// Tells everybody whom it concerns, in the order given.
    ///
    /// Under the lock: nobody is told two changes in another order than anybody else, nor anything after its end.
    package func publish(_ changes: [ThreadChange]) {
        guard isFollowed else { return }
        state.withLock { state in
            for change in changes {
                guard let followers = state.followers[change.thread] else { continue }
                for receive in followers.values { receive(change) }
            }
        }
    }

    /// Tells everybody that something was not told.
    package func publishMissed() {
        publish(threads.map { ThreadChange($0, .missed) })
    }
}

/// One who follows a thread, until it is ended or let go of.
package final class ThreadFollower: Sendable {
    private let feed: ChangeFeed
    private let thread: ThreadKey
    private let number: Int

    fileprivate init(_ feed: ChangeFeed, _ thread: ThreadKey, _ number: Int) {
        self.feed = feed
        self.thread = thread
        self.number = number
    }

    deinit {
        end()
    }

    /// Nothing is told once this has returned.
    ///
    /// A second call does nothing.
    package func end() {
        feed.remove(number, of: thread)
    }
}
