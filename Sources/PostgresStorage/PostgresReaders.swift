import Checkpoints

/// A question to the database that is one statement, and so sees one snapshot.
struct Read: PostgresWork {
    let operation: String
    let deadline: ContinuousClock.Instant
    let statement: PostgresStatement
    /// Whether it may take so long that no other should wait for it.
    let isAlone: Bool
    /// Answers from what came, or says what else must be asked.
    let finish: @Sendable (borrowing PostgresResult) throws -> Read?
    /// What to ask instead where a parameter is one that its type does not take.
    var alternative: (@Sendable () -> Read)?
    private let refuse: @Sendable (StoreError) -> Void

    init(
        _ operation: String,
        until deadline: ContinuousClock.Instant = .now + PostgresLimits.patience,
        _ statement: PostgresStatement,
        isAlone: Bool = false,
        refuse: @escaping @Sendable (StoreError) -> Void,
        finish: @escaping @Sendable (borrowing PostgresResult) throws -> Read?
    ) {
        self.operation = operation
        self.deadline = deadline
        self.statement = statement
        self.isAlone = isAlone
        self.refuse = refuse
        self.finish = finish
    }

    func fail(_ error: StoreError) {
        refuse(error)
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
        slow = PostgresLanes("slow", target, count: Self.slowCount, batchLimit: 1, perform: Self.perform)
    }

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
            let deadline = max(asked.map(\.deadline).min() ?? now, now + .seconds(3))
            var isDone = [Bool](repeating: false, count: asked.count)
            do throws(PostgresFailure) {
                let groups = asked.map { [$0.statement] }
                let failures = try connection.run(groups, until: deadline) { group, _, result in
                    isDone[group] = true
                    if let next = take(result, asked[group]) { reads.append(next) }
                }
                for (number, failure) in failures.enumerated() {
                    guard let failure, !isDone[number] else { continue }
                    let read = asked[number]
                    if let other = failure.isAboutData ? read.alternative?() : nil {
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

    private static func take(_ result: borrowing PostgresResult, _ read: Read) -> Read? {
        do {
            return try read.finish(result)
        } catch {
            read.fail(StoreError(.corrupt, during: read.operation, detail: "a stored document is not JSON: \(error)"))
            return nil
        }
    }
}
