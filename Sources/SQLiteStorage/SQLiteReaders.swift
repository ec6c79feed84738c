import Checkpoints
import Dispatch
import GRDB
import Synchronization

/// The connections that answer reads: each with a thread of its own, which takes what waits and answers it in one
/// snapshot.
///
/// A snapshot begins after the reads it serves were asked for, so each sees every change that returned before.
final class SQLiteReaders: Sendable {
    private struct Read {
        let operation: String
        let run: @Sendable (Snapshot) -> Void
        let refuse: @Sendable (StoreError) -> Void
    }

    private struct Connection {
        let queue: DispatchQueue
        let database: DatabaseQueue
    }

    private struct State {
        var backlog = Backlog<Read>()
        var idle: [Int]
    }

    /// Reads in one snapshot at most: bounds how long it keeps the log from being reset.
    private static let batchLimit = 32

    private let connections: [Connection]
    private let state: Mutex<State>
    private let recent: RecentBlobs
    private let commits: CommitClock

    init(
        path: String,
        count: Int,
        _ recent: RecentBlobs = RecentBlobs(),
        _ commits: CommitClock = CommitClock()
    ) throws {
        self.recent = recent
        self.commits = commits
        connections = try (0..<count).map { number in
            Connection(
                queue: DispatchQueue(label: "milepost.sqlite.reader.\(number)"),
                database: try SQLiteConnection.reader(path: path)
            )
        }
        state = Mutex(State(idle: Array(0..<count)))
    }

    /// Returns at once; `answer` is called on a reader's thread with what `body` returns.
    func perform<Value: Sendable>(
        _ operation: String,
        _ body: @escaping @Sendable (Snapshot) throws -> Value,
        then answer: @escaping @Sendable (Result<Value, StoreError>) -> Void
    ) {
        let times = CallTimes.current
        let arrival = times.map { _ in MonotonicTime.now }
        let read = Read(
            operation: operation,
            run: { snapshot in
                let begin = arrival.map { _ in MonotonicTime.now }
                let result = Result { try body(snapshot) }.mapError { StoreError($0, during: operation) }
                if let times, let arrival, let begin {
                    times.add(.queue, from: arrival, to: begin)
                    times.add(.read, from: begin, to: .now)
                }
                answer(result)
            },
            refuse: { answer(.failure($0)) }
        )
        let refusal: StoreError.Kind? = state.withLock { state in
            if let refusal = state.backlog.add(read) { return refusal }
            // Under the lock, so that it stands before what `close` waits for.
            if let start = state.idle.popLast() {
                connections[start].queue.async { self.drain(start) }
            }
            return nil
        }
        if let refusal {
            read.refuse(StoreError(refusal, during: operation))
        }
    }

    /// The same for a caller with a task.
    func perform<Value: Sendable>(
        _ operation: String,
        _ body: @escaping @Sendable (Snapshot) throws -> Value
    ) async throws(StoreError) -> Value {
        try await answered { perform(operation, body, then: $0) }
    }

    /// Answers what waits, refuses what comes later, and closes the connections.
    func close() async {
        state.withLock { $0.backlog.close() }
        for connection in connections {
            await withCheckedContinuation { done in
                connection.queue.async { done.resume() }
            }
            // A connection that cannot be closed now is closed with the process.
            try? connection.database.close()
        }
    }

    private func drain(_ number: Int) {
        while let batch = takeBatch(number) {
            var answered = 0
            do {
                // Before the snapshot begins.
                let commit = commits.seenByAll
                try connections[number].database.read { db in
                    let snapshot = Snapshot(db, commit: commit, recent, remembering: commits)
                    for read in batch {
                        read.run(snapshot)
                        answered += 1
                        // After some errors SQLite ends the transaction: the others are refused, not read in pieces.
                        guard db.isInsideTransaction else {
                            throw StoreError(.unavailable, during: read.operation, detail: "rolled back by SQLite")
                        }
                    }
                }
            } catch {
                for read in batch.dropFirst(answered) {
                    read.refuse(StoreError(error, during: read.operation))
                }
            }
        }
    }

    private func takeBatch(_ number: Int) -> [Read]? {
        state.withLock { state in
            let batch = state.backlog.takeBatch(Self.batchLimit)
            if batch == nil { state.idle.append(number) }
            return batch
        }
    }
}
