import Checkpoints

/// A question to the database: one statement, and so one snapshot; or one after the other, when it `isAlone`, in one
/// snapshot too.
struct Read: PostgresWork {
    let operation: String
    let deadline: ContinuousClock.Instant
    let statement: PostgresStatement
    /// Whether it may take so long that no other should wait for it.
    let isAlone: Bool
    /// Whether it looks at whole tables; then it is alone too, and may take as long as a deletion.
    let isScan: Bool
    /// Answers from what came, or says what else must be asked.
    let finish: @Sendable (borrowing PostgresResult) throws -> Read?
    /// What to ask instead where a parameter is one that its type does not take.
    var alternative: (@Sendable () -> Read)?
    /// Whose call it is a part of, if that is measured, and when it came.
    var times = CallTimes.current
    private let arrival = MonotonicTime.now
    private let refuse: @Sendable (StoreError) -> Void

    init(
        _ operation: String,
        until deadline: ContinuousClock.Instant? = nil,
        _ statement: PostgresStatement,
        isAlone: Bool = false,
        isScan: Bool = false,
        refuse: @escaping @Sendable (StoreError) -> Void,
        finish: @escaping @Sendable (borrowing PostgresResult) throws -> Read?
    ) {
        self.operation = operation
        self.deadline = deadline ?? .now + (isScan ? PostgresLimits.deletion : PostgresLimits.patience)
        self.statement = statement
        self.isAlone = isAlone || isScan
        self.isScan = isScan
        self.refuse = refuse
        self.finish = finish
    }

    func fail(_ error: StoreError) {
        refuse(error)
    }

    /// Notes that the answer is there, before it is given.
    func noteAnswer(since start: MonotonicTime) {
        guard let times else { return }
        times.add(.queue, from: min(arrival, start), to: start)
        times.add(.read, from: start, to: .now)
    }

    var byteCount: Int { statement.parameters.bytes.count }
    var exclusion: CheckpointKey? { nil }
}

/// The connections that answer reads; those that wait together go out together on one of them, each a transaction.
///
/// What may take long has connections of its own.
final class PostgresReaders: Sendable {
    /// Connections.
    ///
    /// Few, so that what waits goes out in larger batches: at 16 clients two answered 1.4 times what four did.
    private static let count = 2
    private static let slowCount = 2
    /// Reads on one connection at once.
    private static let batchLimit = 16

    private let quick: PostgresLanes<Read>
    private let slow: PostgresLanes<Read>

    init(_ target: ConnectionString) {
        quick = PostgresLanes("reader", target, count: Self.count, batchLimit: Self.batchLimit, perform: Self.perform)
        slow = PostgresLanes("slow", target, count: Self.slowCount, batchLimit: 1, perform: Self.performAlone)
    }

    var lanes: [StoreLoad.Lane] { [quick.load, slow.load] }

    /// Returns at once; the read is answered on a thread of a connection.
    func add(_ read: Read) {
        (read.isAlone ? slow : quick).add(read)
    }

    /// Answers what waits; refuses what comes later.
    func close() async {
        await quick.close()
        await slow.close()
    }

    @Sendable
    private static func perform(_ connection: PostgresConnection, _ batch: [Read]) -> PostgresOutcome<Read> {
        var outcome = PostgresOutcome<Read>()
        var reads = batch
        while !reads.isEmpty {
            let asked = reads
            reads = []
            let now = ContinuousClock.now
            let start = MonotonicTime.now
            let deadline = max(asked.map(\.deadline).min() ?? now, now + .seconds(3))
            var isDone = [Bool](repeating: false, count: asked.count)
            do throws(PostgresFailure) {
                let groups = asked.map { [$0.statement] }
                let failures = try connection.run(groups, until: deadline) { group, _, result in
                    isDone[group] = true
                    if let next = take(result, asked[group], since: start) { reads.append(next) }
                }
                for (number, failure) in failures.enumerated() {
                    guard let failure, !isDone[number] else { continue }
                    let read = asked[number]
                    if var other = failure.isAboutData ? read.alternative?() : nil {
                        other.times = read.times
                        reads.append(other)
                    } else if failure.isTransient {
                        outcome.unfinished.append(read)
                        outcome.failure = failure
                    } else {
                        read.fail(failure.error(during: read.operation))
                    }
                }
            } catch {
                outcome.unfinished += zip(asked, isDone).filter { !$0.1 }.map(\.0) + reads
                outcome.failure = error
                return outcome
            }
        }
        return outcome
    }

    /// Each read with all that it asks for in one transaction, and so in one snapshot.
    @Sendable
    private static func performAlone(_ connection: PostgresConnection, _ batch: [Read]) -> PostgresOutcome<Read> {
        var outcome = PostgresOutcome<Read>()
        for read in batch {
            do throws(PostgresFailure) {
                try performInSnapshot(connection, read)
            } catch {
                outcome.failure = error
                // From its beginning: what it has seen was of another snapshot.
                outcome.unfinished.append(read)
            }
        }
        return outcome
    }

    /// Throws what may go away, with the read unanswered.
    private static func performInSnapshot(_ connection: PostgresConnection, _ read: Read) throws(PostgresFailure) {
        let deadline = max(read.deadline, ContinuousClock.now + .seconds(3))
        var next: Read? = read
        var isBegun = false
        while let current = next {
            next = nil
            var isDone = false
            let start = MonotonicTime.now
            let beginning = [PostgresStatement(begin)] + (read.isScan ? [PostgresStatement(scanSettings)] : [])
            let statements = (isBegun ? [] : beginning) + [current.statement]
            let failures: [PostgresFailure?]
            do throws(PostgresFailure) {
                failures = try connection.run([statements], until: deadline) { _, index, result in
                    guard index == statements.count - 1 else { return }
                    isDone = true
                    next = take(result, current, since: start)
                }
            } catch {
                // What was answered is not asked again.
                if isDone && next == nil { return }
                throw error
            }
            isBegun = true
            guard let failure = failures[0] else { continue }
            if isDone && next == nil { return }
            if connection.needsRollback {
                try connection.run(PostgresStatement(rollback), until: deadline)
                isBegun = false
            }
            if var other = failure.isAboutData ? current.alternative?() : nil {
                other.times = read.times
                next = other
            } else if failure.isTransient {
                throw failure
            } else {
                return read.fail(failure.error(during: read.operation))
            }
        }
        // It is answered: a connection that fails now is found out by who uses it next.
        try? connection.run(PostgresStatement(commit), until: deadline)
    }

    private static let begin = StatementText("begin_read", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    /// A look at a whole table may take long, and is sooner done in the order of its pages.
    private static let scanSettings = StatementText(
        "scan_settings",
        """
        SELECT set_config('statement_timeout', '\(Int(PostgresLimits.deletion / .milliseconds(1)))', true),
            set_config('enable_seqscan', 'on', true)
        """
    )
    private static let commit = StatementText("commit_read", "COMMIT")
    private static let rollback = StatementText("rollback_read", "ROLLBACK")

    private static func take(
        _ result: borrowing PostgresResult,
        _ read: Read,
        since start: MonotonicTime
    ) -> Read? {
        read.noteAnswer(since: start)
        do {
            var next = try read.finish(result)
            next?.times = read.times
            return next
        } catch {
            read.fail(StoreError(.corrupt, during: read.operation, detail: "a stored document is not JSON: \(error)"))
            return nil
        }
    }
}
