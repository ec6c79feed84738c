import Checkpoints
import Dispatch
import GRDB
import Synchronization

/// The one place that changes the store.
///
/// Changes queue here; a thread takes all that wait, commits them as ONE transaction, and only then answers each: one
/// flush to disk pays for many changes.
///
/// A change that fails never fails its neighbours: the transaction is rolled back, and every change of it runs
/// again in a transaction of its own.
final class SQLiteWriter: Sendable {
    typealias Outcome = Result<Void, StoreError>

    /// What a change may use while it is applied.
    struct Transaction {
        /// What the transaction sees.
        let snapshot: Snapshot
        let threads: ThreadNumbers
        let checkpoints: KnownCheckpoints
        fileprivate let consequences: Consequences
        /// The thread that a sweep is at.
        let watched: WatchedThread
        private let recent: RecentBlobs
        private let commit: Int

        fileprivate init(
            _ db: Database, _ memory: Memory, _ consequences: Consequences, _ recent: RecentBlobs,
            _ commits: CommitClock
        ) {
            snapshot = Snapshot(db, commit: commits.seenByAll, recent, remembering: nil)
            threads = memory.threads
            checkpoints = memory.checkpoints
            watched = memory.watched
            self.consequences = consequences
            self.recent = recent
            commit = commits.seenByAny
        }

        var db: Database { snapshot.db }

        /// The number of a thread that the change is about to touch, made when it does not exist.
        func number(of thread: ThreadKey) throws -> Int64 {
            watched.touch(thread)
            return try threads.number(of: thread, in: db)
        }

        /// Called when versions go, or their rows are written anew, of a thread that stays what it is.
        func cut(_ keys: [RecentBlobs.Key], of thread: Int64) {
            let gone = Set(keys)
            consequences.stored.removeAll { gone.contains($0.key) }
            recent.cut(keys, of: thread, in: commit)
        }

        /// Called when a blob was stored: it is remembered once the transaction is durable.
        func stored(_ blob: RecentBlobs.Blob, _ key: RecentBlobs.Key) {
            consequences.stored.append((blob, key))
        }

        /// Called when a value was stored that came as `logical` bytes.
        func kept(_ value: StoredBytes, logical: Int) {
            consequences.logicalBytes += logical
            consequences.storedBytes += value.payload?.count ?? 0
        }

        /// Called when rows of a thread go; its number is nil when it has none.
        func forget(_ thread: ThreadKey, _ number: Int64?) {
            watched.touch(thread)
            threads.forget(thread)
            checkpoints.forgetAll()
            guard let number else { return }
            consequences.stored.removeAll { $0.key.thread == number }
            consequences.deleted.insert(number)
        }
    }

    /// What the writer remembers of the rows, to save looking them up, and of the log.
    fileprivate final class Memory {
        let threads: ThreadNumbers
        let checkpoints = KnownCheckpoints()
        let watched = WatchedThread()
        let log: WriteAheadLog
        var isTidyingDue = false

        init(_ db: Database) throws {
            threads = try ThreadNumbers(db)
            log = WriteAheadLog(db)
        }
    }

    /// What a transaction comes to in memory once it is durable.
    fileprivate final class Consequences {
        var stored: [(blob: RecentBlobs.Blob, key: RecentBlobs.Key)] = []
        var deleted: Set<Int64> = []
        var logicalBytes = 0
        var storedBytes = 0
    }

    private struct Change {
        let operation: String
        let apply: @Sendable (Transaction) throws -> Void
        let telling: Telling
        /// Whether anything was followed when it was taken in.
        var isFollowed = false
        let answer: @Sendable (Outcome) -> Void
        /// Whose call it is a part of, if that is measured.
        let times: CallTimes?
        /// When it came; nil when nobody wants to know.
        let arrival: MonotonicTime?
    }

    /// What followers are told of a change once it is durable.
    enum Telling {
        case nothing
        /// What it did, asked for after its commit; nil for nothing.
        case effect(@Sendable () -> ThreadChange?)
        /// Nobody followed anything when it was made.
        case unasked
    }

    private struct State {
        var backlog = Backlog<Change>()
        var isRunning = false
        var commitCount = 0
    }

    /// Changes in one transaction at most: bounds how long the first of them waits for the last.
    private static let batchLimit = 256
    /// How long nothing must have come before the log is moved.
    private static let idleTime = DispatchTimeInterval.milliseconds(100)
    /// When the log is tried again that a read kept from being moved whole.
    private static let keptTime = DispatchTimeInterval.seconds(1)

    private let database: DatabaseQueue
    private let queue = DispatchQueue(label: "milepost.sqlite.writer")
    private let state = Mutex(State())
    private let memory: OnWriter<Memory>
    private let recent: RecentBlobs
    private let commits: CommitClock
    let feed = ChangeFeed()
    private let observer: (any StoreObserver)?

    init(
        _ database: DatabaseQueue,
        _ recent: RecentBlobs,
        _ commits: CommitClock,
        _ observer: (any StoreObserver)?
    ) throws {
        self.database = database
        self.recent = recent
        self.commits = commits
        self.observer = observer
        memory = try database.writeWithoutTransaction { db in
            let memory = try Memory(db)
            if let observer { FlushClock.watch(db, observer) }
            return OnWriter(memory)
        }
    }

    /// Runs `apply` in a transaction and returns when that is durable.
    ///
    /// Changes take effect in the order they come.
    ///
    /// `operation` is a verb phrase for the error's text. `apply` may run twice, never half.
    func perform(
        _ operation: String,
        telling: Telling = .nothing,
        _ apply: @escaping @Sendable (Transaction) throws -> Void
    ) async throws(StoreError) {
        try await answered { perform(operation, telling: telling, apply, then: $0) }
    }

    /// The same for a caller that has no task: `answer` is called on the writer's thread and must not hold it up.
    ///
    /// `times` are those of the call, for a caller on a thread where they are not bound.
    func perform(
        _ operation: String,
        telling: Telling = .nothing,
        times: CallTimes? = .current,
        _ apply: @escaping @Sendable (Transaction) throws -> Void,
        then answer: @escaping @Sendable (Outcome) -> Void
    ) {
        let arrival = times == nil && observer == nil ? nil : MonotonicTime.now
        enqueue(
            Change(
                operation: operation, apply: apply, telling: telling, answer: answer, times: times, arrival: arrival))
    }

    /// Runs `body` on the writer's thread between two transactions.
    func between<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { [database] in
                continuation.resume(with: Result { try database.writeWithoutTransaction(body) })
            }
        }
    }

    /// Transactions committed so far.
    var commitCount: Int { state.withLock { $0.commitCount } }

    /// Commits what waits and refuses what comes later.
    func close() async {
        state.withLock { $0.backlog.close() }
        await withCheckedContinuation { done in
            queue.async { done.resume() }
        }
    }

    private func enqueue(_ change: Change) {
        let refusal: StoreError.Kind? = state.withLock { state in
            var change = change
            change.isFollowed = feed.isFollowed
            if let refusal = state.backlog.add(change) { return refusal }
            // Under the lock, so that it stands before what `close` waits for.
            if !state.isRunning { queue.async { self.drain() } }
            state.isRunning = true
            return nil
        }
        if let refusal {
            change.answer(.failure(StoreError(refusal, during: change.operation)))
        }
    }

    private func drain() {
        while let batch = takeBatch() {
            commit(batch)
            // After the answers: only what comes next waits for it.
            if memory.value.log.isLong { moveLog() }
        }
        tidy(after: Self.idleTime)
    }

    private func tidy(after delay: DispatchTimeInterval) {
        guard !memory.value.log.isMoved, !memory.value.isTidyingDue else { return }
        memory.value.isTidyingDue = true
        queue.asyncAfter(deadline: .now() + delay) { [weak self] in self?.tidy() }
    }

    /// Moves the log into the file if nothing has come for a moment; if something has, its end calls this again.
    private func tidy() {
        memory.value.isTidyingDue = false
        let isIdle = state.withLock { !$0.isRunning && !$0.backlog.isClosed }
        guard isIdle, !memory.value.log.isMoved else { return }
        moveLog()
        tidy(after: Self.keptTime)
    }

    private func moveLog() {
        Failpoint.pass("sqlite before moving the log")
        // What could not be moved stays in the log, and the next commit tells if the disk is at fault.
        try? database.writeWithoutTransaction { db in try memory.value.log.move(db) }
        Failpoint.pass("sqlite after moving the log")
    }

    /// What waits, oldest first; nil when nothing does, and then the next change starts the thread again.
    private func takeBatch() -> [Change]? {
        state.withLock { state in
            let batch = state.backlog.takeBatch(Self.batchLimit)
            if batch == nil { state.isRunning = false }
            return batch
        }
    }

    private func commit(_ batch: [Change]) {
        var timing = Timing()
        let outcome = transaction(batch, &timing)
        switch outcome {
        case .committed(let consequences):
            Failpoint.pass("sqlite committed")
            report(batch, timing, consequences)
            recent.forget(consequences.deleted)
            for (blob, key) in consequences.stored {
                recent.add(blob, key, commit: commits.seenByAll)
            }
            state.withLock { $0.commitCount += 1 }
            if feed.isFollowed { tell(batch) }
            for change in batch {
                change.answer(.success(()))
            }
            Failpoint.pass("sqlite answered")
        case .changeFailed where batch.count > 1:
            observer?.commitFailed()
            for change in batch {
                commit([change])
            }
        case .changeFailed(let error), .commitFailed(let error):
            observer?.commitFailed()
            for change in batch {
                change.answer(.failure(StoreError(error, during: change.operation)))
            }
        }
    }

    private func tell(_ batch: [Change]) {
        feed.publish(
            batch.compactMap { change in
                if case .effect(let effect) = change.telling { effect() } else { nil }
            }
        )
        let isUntold = batch.contains { change in
            if case .unasked = change.telling { change.isFollowed } else { false }
        }
        if isUntold { feed.publishMissed() }
    }

    /// When a transaction began, when its changes were applied, and when it was durable.
    private struct Timing {
        let begin = MonotonicTime.now
        var applied = MonotonicTime.now
        var end = MonotonicTime.now
    }

    /// Tells who wants to know what the transaction took.
    private func report(_ batch: [Change], _ timing: Timing, _ consequences: Consequences) {
        for change in batch {
            guard let times = change.times, let arrival = change.arrival else { continue }
            times.add(.queue, from: arrival, to: timing.begin)
            times.add(.apply, from: timing.begin, to: timing.applied)
            times.add(.commit, from: timing.applied, to: timing.end)
        }
        guard let observer else { return }
        var report = CommitReport(
            waits: batch.compactMap { $0.arrival.map { timing.begin - $0 } },
            applying: timing.applied - timing.begin,
            committing: timing.end - timing.applied
        )
        report.logicalBytes = consequences.logicalBytes
        report.storedBytes = consequences.storedBytes
        observer.committed(report)
    }

    private enum TransactionOutcome {
        case committed(Consequences)
        /// Nothing of the transaction took effect, and running its changes again is safe.
        case changeFailed(any Error)
        /// The commit itself failed. It is not tried again: after a failed flush the same pages may be reported
        /// as written although they are not.
        case commitFailed(any Error)
    }

    private func transaction(_ batch: [Change], _ timing: inout Timing) -> TransactionOutcome {
        var isApplied = false
        let consequences = Consequences()
        commits.begin()
        defer { commits.end() }
        do {
            try database.writeWithoutTransaction { db in
                let transaction = Transaction(db, memory.value, consequences, recent, commits)
                try db.inTransaction(.immediate) {
                    for change in batch {
                        try change.apply(transaction)
                        // After some errors SQLite rolls back by itself; nothing may follow outside a transaction.
                        // https://www.sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction
                        guard db.isInsideTransaction else {
                            throw StoreError(.unavailable, during: change.operation, detail: "rolled back by SQLite")
                        }
                    }
                    isApplied = true
                    timing.applied = .now
                    return .commit
                }
            }
            timing.end = .now
            return .committed(consequences)
        } catch {
            memory.value.threads.forgetAll()
            memory.value.checkpoints.forgetAll()
            return isApplied ? .commitFailed(error) : .changeFailed(error)
        }
    }
}

/// Something that is used on the writer's queue alone.
///
/// `@unchecked`: the queue is serial, and `SQLiteWriter` reads `value` nowhere else.
private struct OnWriter<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) {
        self.value = value
    }
}
