import Checkpoints
import Synchronization

/// The way changes take to the database.
///
/// Those that wait together are merged into one transaction of a few statements on ONE connection, and answered after its
/// commit. Rows go in by table and key, so that two servers that change the same rows wait for each other in the same
/// order and cannot deadlock.
///
/// A change that makes such a transaction fail, or holds it up, never fails its neighbours: all of it go, each in a
/// transaction of its own, over other connections. Those take large changes and deletions too.
final class PostgresWriter: Sendable {
    /// Changes in one transaction at most.
    private static let batchLimit = 256
    /// Connections for changes that share no transaction.
    private static let singleLanes = 3
    /// Connections for deletions, which may take long.
    private static let deletionLanes = 1
    /// Transactions shared with others that may fail before a change goes alone.
    private static let sharedAttempts = 2

    private let shared: PostgresLanes<Change>
    private let single: PostgresLanes<Change>
    private let deletions: PostgresLanes<Change>
    private let held: HeldThreads

    /// Threads that somebody else has locked, or that are being deleted: what comes for those must not hold up a
    /// transaction that others share.
    ///
    /// Until one of their changes has gone through, or none is left.
    private final class HeldThreads: Sendable {
        private let counts = Mutex<[ThreadKey: Int]>([:])

        func contains(_ thread: ThreadKey) -> Bool {
            counts.withLock { $0[thread] != nil }
        }

        func add(_ thread: ThreadKey) {
            counts.withLock { $0[thread, default: 0] += 1 }
        }

        func remove(_ thread: ThreadKey) {
            counts.withLock { counts in
                guard let count = counts[thread] else { return }
                counts[thread] = count == 1 ? nil : count - 1
            }
        }

        func clear(_ thread: ThreadKey) {
            counts.withLock { $0[thread] = nil }
        }
    }

    init(_ target: ConnectionString, _ following: PostgresFollowing, _ observer: (any StoreObserver)?) {
        let held = HeldThreads()
        let single = PostgresLanes<Change>("single", target, count: Self.singleLanes, batchLimit: 1) {
            Self.performSingle($0, $1, following, observer)
        }
        shared = PostgresLanes<Change>("shared", target, count: 1, batchLimit: Self.batchLimit) { connection, batch in
            Self.performShared(connection, batch, following, observer) { change, isLocked in
                Self.add(change, to: single, isLocked ? held : nil)
            }
        }
        deletions = PostgresLanes<Change>("deletion", target, count: Self.deletionLanes, batchLimit: 1) {
            Self.performSingle($0, $1, following, observer)
        }
        self.single = single
        self.held = held
    }

    /// Returns at once; the change is answered when it is durable or has failed.
    func add(_ change: Change) {
        if change.isDeletion {
            Self.add(change, to: deletions, held)
        } else if change.thread.map(held.contains) ?? false {
            Self.add(change, to: single, held)
        } else if change.isAlone {
            Self.add(change, to: single, nil)
        } else {
            shared.add(change)
        }
    }

    var lanes: [StoreLoad.Lane] { [shared.load, single.load, deletions.load] }

    /// Finishes what was taken in; refuses what comes later.
    func close() async {
        await shared.close()
        await single.close()
        await deletions.close()
    }

    /// `held`: where its thread is noted meanwhile; nil when nothing else has to keep clear of it.
    private static func add(_ change: Change, to lanes: PostgresLanes<Change>, _ held: HeldThreads?) {
        var change = change
        change.isSeparate = true
        guard let held, let thread = change.thread else { return lanes.add(change) }
        held.add(thread)
        lanes.add(
            change.beforeAnswer { isStored in
                if isStored { held.clear(thread) } else { held.remove(thread) }
            }
        )
    }

    private static func performShared(
        _ connection: PostgresConnection,
        _ batch: [Change],
        _ following: PostgresFollowing,
        _ observer: (any StoreObserver)?,
        _ separate: (_ change: Change, _ isLocked: Bool) -> Void
    ) -> PostgresOutcome<Change> {
        guard let failure = execute(batch, connection, following, observer) else {
            Failpoint.pass("postgres committed")
            following.committed(batch)
            for change in batch { change.answer(.success(())) }
            Failpoint.pass("postgres answered")
            return PostgresOutcome()
        }
        var outcome = PostgresOutcome<Change>(failure: failure)
        let isShareable = failure.isLost || failure.state == "40001" || failure.state == "40P01"
        for var change in batch {
            change.attempts += 1
            change.isInDoubt = change.isInDoubt || failure.isLost
            if isShareable && change.attempts < sharedAttempts {
                outcome.unfinished.append(change)
            } else {
                separate(change, failure.state == "55P03")
            }
        }
        return outcome
    }

    private static func performSingle(
        _ connection: PostgresConnection,
        _ batch: [Change],
        _ following: PostgresFollowing,
        _ observer: (any StoreObserver)?
    ) -> PostgresOutcome<Change> {
        var outcome = PostgresOutcome<Change>()
        for var change in batch {
            var failure = execute([change], connection, following, observer)
            if failure?.isAboutData == true {
                // A number that jsonb does not take.
                change.isRewritten = true
                failure = execute([change], connection, following, observer)
            }
            guard let failure else {
                Failpoint.pass("postgres committed")
                following.committed([change])
                change.answer(.success(()))
                Failpoint.pass("postgres answered")
                continue
            }
            let mayHaveHappened = failure.isLost && !failure.isBeforeCommit
            change.isInDoubt = change.isInDoubt || mayHaveHappened
            if failure.isTransient && !(mayHaveHappened && change.isDeletion) {
                outcome.unfinished.append(change)
                outcome.failure = failure
            } else {
                change.fail(failure.error(during: change.operation))
            }
        }
        return outcome
    }

    /// One transaction; nil when it is committed, which the observer and the changes' calls are told.
    private static func execute(
        _ batch: [Change],
        _ connection: PostgresConnection,
        _ following: PostgresFollowing,
        _ observer: (any StoreObserver)?
    ) -> PostgresFailure? {
        let start = MonotonicTime.now
        if let failure = attempt(batch, connection, following) {
            observer?.commitFailed()
            return failure
        }
        let end = MonotonicTime.now
        for change in batch {
            guard let times = change.times else { continue }
            times.add(.queue, from: change.arrival, to: start)
            times.add(.commit, from: start, to: end)
        }
        if let observer {
            var report = CommitReport(
                waits: batch.map { start - $0.arrival }, applying: nil, committing: end - start)
            report.logicalBytes = batch.reduce(0) { $0 + $1.byteCount }
            observer.committed(report)
        }
        return nil
    }

    private static func attempt(
        _ batch: [Change],
        _ connection: PostgresConnection,
        _ following: PostgresFollowing
    ) -> PostgresFailure? {
        let now = ContinuousClock.now
        let isDeletion = batch.first?.isDeletion ?? false
        let limit = batch.map(\.deadline).min() ?? now
        let deadline = isDeletion ? now + PostgresLimits.deletion : max(limit, now + .seconds(1))
        var end = ""
        do throws(PostgresFailure) {
            if let change = batch.first, case .edit(let thread, let edit) = change.kind {
                return try execute(edit, of: thread, change, connection, following, until: deadline)
            }
            let statements = transaction(batch, following, isPooled: connection.isPooled)
            let failures = try connection.run([statements], until: deadline) { _, index, result in
                if index == statements.count - 1 { end = result.commandTag }
            }
            guard let failure = failures[0] else {
                return uncertainty(end, connection)
            }
            if connection.needsRollback {
                try connection.run(PostgresStatement(SQL.rollback), until: deadline)
            }
            return failure
        } catch {
            return error
        }
    }

    /// Nil when a commit that was answered has happened.
    ///
    /// The end of a transaction that failed unnoticed is a ROLLBACK. And a COMMIT that no longer waits for a standby says
    /// so with a warning: no other server may have it.
    /// https://www.postgresql.org/docs/15/warm-standby.html#SYNCHRONOUS-REPLICATION
    private static func uncertainty(_ end: String, _ connection: PostgresConnection) -> PostgresFailure? {
        let isCertain = end == "COMMIT" && !connection.isWarned
        return isCertain ? nil : .lost("COMMIT was answered with \(end) and a warning or none")
    }

    /// One transaction whose statements depend on one another; nil when it is committed.
    private static func execute(
        _ edit: ThreadEdit,
        of thread: ThreadKey,
        _ change: Change,
        _ connection: PostgresConnection,
        _ following: PostgresFollowing,
        until deadline: ContinuousClock.Instant
    ) throws(PostgresFailure) -> PostgresFailure? {
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        let limits = edit.isDeletion ? SQL.deletionLimits : SQL.localLimits
        let begin = [
            PostgresStatement(SQL.begin), PostgresStatement(limits), PostgresStatement(SQL.lockThread, parameters),
        ]
        let transaction = EditTransaction(
            connection: connection,
            deadline: deadline,
            isRewritten: change.isRewritten,
            isInDoubt: change.isInDoubt
        )
        var isCommitSent = false
        do throws(PostgresFailure) {
            try transaction.run(begin)
            try edit.body(transaction)
            var tag = ""
            isCommitSent = true
            // The probe is written also where there was nothing to change: then too it must wait for the standby.
            let end = notification(of: [change], following) + [probe, PostgresStatement(SQL.commit)]
            try transaction.run(end) { _, result in tag = result.commandTag }
            return uncertainty(tag, connection)
        } catch {
            var failure = error
            failure.isBeforeCommit = !isCommitSent
            if connection.needsRollback {
                try connection.run(PostgresStatement(SQL.rollback), until: deadline)
            }
            return failure
        }
    }

    /// Tells other servers whose clients follow these threads, with the commit.
    private static func notification(of batch: [Change], _ following: PostgresFollowing) -> [PostgresStatement] {
        let notifications = following.notifications(for: batch)
        return notifications.isEmpty ? [] : [ListeningSession.notification(of: notifications)]
    }

    private static func transaction(
        _ batch: [Change],
        _ following: PostgresFollowing,
        isPooled: Bool
    ) -> [PostgresStatement] {
        var statements: [PostgresStatement] = []
        if case .probe? = batch.first?.kind {
            statements = [PostgresStatement(SQL.begin), probe]
        } else {
            var parameters = PostgresParameters()
            // In one order, so that two servers' groups wait for each other at most one way round.
            parameters.add(texts: Set(batch.compactMap(\.thread?.storedID)).sorted())
            let lock = PostgresStatement(SQL.lockThreadsShared, parameters)
            statements = [PostgresStatement(SQL.begin), lock] + WriteBatch(batch).statements
        }
        if isPooled {
            statements.insert(PostgresStatement(SQL.localLimits), at: 1)
        }
        return statements + notification(of: batch, following) + [PostgresStatement(SQL.commit)]
    }

    /// Something that is written to the log.
    ///
    /// Servers that do it at the same time do not wait for each other, nearly always.
    private static var probe: PostgresStatement {
        var parameters = PostgresParameters()
        parameters.add(Int32.random(in: 0..<1_024))
        return PostgresStatement(SQL.probe, parameters)
    }

    private enum SQL {
        static let begin = StatementText("begin", "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        static let commit = StatementText("commit", "COMMIT")
        static let rollback = StatementText("rollback", "ROLLBACK")
        static let localLimits = limits("limits", statement: PostgresLimits.statementMilliseconds)
        static let deletionLimits = limits(
            "deletion_limits", statement: Int(PostgresLimits.deletion / .milliseconds(1)))

        /// In milliseconds, until the transaction ends.
        private static func limits(_ name: String, statement: Int) -> StatementText {
            StatementText(
                name,
                """
                SELECT set_config('lock_timeout', '\(PostgresLimits.lockMilliseconds)', true),
                    set_config('statement_timeout', '\(statement)', true),
                    set_config('client_min_messages', 'warning', true)
                """
            )
        }

        /// Until the transaction ends: changes of a thread go together, its deletion goes alone.
        ///
        /// All locks are taken before the first row, so that nobody waits for one with rows in hand.
        static let lockThreadsShared = StatementText(
            "lock_shared",
            """
            SELECT pg_advisory_xact_lock_shared(hashtextextended(thread_id, \(threadLocks)))
            FROM unnest($1::text[]) AS thread_id
            """
        )
        static let lockThread = StatementText(
            "lock",
            "SELECT pg_advisory_xact_lock(hashtextextended($1, \(threadLocks)))"
        )
        /// Sets the locks of threads apart from others': the bytes `Mile`.
        private static let threadLocks = 0x4D69_6C65

        static let probe = StatementText(
            "probe",
            """
            INSERT INTO milepost_probes (probe, probed_at) VALUES ($1, now())
            ON CONFLICT (probe) DO UPDATE SET probed_at = EXCLUDED.probed_at
            """
        )
    }
}
