import Checkpoints
import Synchronization

/// The threads that other servers follow, as they have announced.
///
/// Where none does, a change costs its transaction one look at a flag: to notify takes a lock of the whole database's at the
/// commit. https://www.postgresql.org/docs/15/sql-notify.html
final class RemoteFollowers: Sendable {
    /// How long an announcement holds; a server makes it again after a third of that.
    static let lifetime = Duration.seconds(30)

    private let isAny = Atomic(false)
    /// Until when, by the threads' hashes.
    private let threads = Mutex<[UInt64: ContinuousClock.Instant]>([:])

    func heard(_ hashes: some Sequence<UInt64>, at now: ContinuousClock.Instant = .now) {
        threads.withLock { threads in
            for hash in hashes { threads[hash] = now + Self.lifetime }
            isAny.store(!threads.isEmpty, ordering: .relaxed)
        }
    }

    /// Forgets what was announced too long ago.
    func expire(at now: ContinuousClock.Instant = .now) {
        guard isAny.load(ordering: .relaxed) else { return }
        threads.withLock { threads in
            threads = threads.filter { $0.value > now }
            isAny.store(!threads.isEmpty, ordering: .relaxed)
        }
    }

    /// What other servers have to be notified of.
    func told(_ changes: [Change]) -> [ThreadChange] {
        guard isAny.load(ordering: .relaxed) else { return [] }
        return changes.compactMap { change in
            guard let thread = change.thread, threads.withLock({ $0[thread.notificationHash] != nil }) else {
                return nil
            }
            return change.told
        }
    }
}
