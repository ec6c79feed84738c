package import Checkpoints
import Dispatch
import JSON

extension PostgresStore: ThreadTransfer {
    package func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        var parameters = PostgresParameters()
        parameters.add(Int64(limit))
        if let last { parameters.add(last.storedID) }
        let statement = PostgresStatement(last == nil ? Self.firstThreads : Self.nextThreads, parameters)
        return try await ask("list threads", statement) { result in
            (0..<result.rowCount).map { ThreadKey(storedID: result.identifier($0, 0)) }
        }
    }

    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        let columns = columns
        try await snapshots.perform("read a thread") { connection throws(StoreError) in
            try ThreadCursor(connection, thread: thread, columns: columns).read(body)
        }
    }

    package func add(_ rows: [ThreadRow], to thread: ThreadKey) async throws(StoreError) {
        try await perform(.rows(rows, thread), "add rows")
    }

    private static let firstThreads = walkOfThreads("first")
    private static let nextThreads = walkOfThreads("next", first: "thread_id > $2")

    /// Jumps from each thread to the next by the primary keys, in their own order.
    ///
    /// `first` is a condition for the one to begin with, `every` one for all of them.
    static func walkOfThreads(
        _ name: String,
        first: String = "true",
        every: String = "true"
    ) -> StatementText {
        func next(_ condition: String) -> String {
            let firsts = ["checkpoints", "checkpoint_blobs", "checkpoint_writes"].map { table in
                "(SELECT thread_id FROM \(table) WHERE \(condition) AND \(every) ORDER BY thread_id LIMIT 1)"
            }
            return "least(\(firsts.joined(separator: ", ")))"
        }
        return StatementText(
            "threads_\(name)",
            """
            WITH RECURSIVE walked AS (
                SELECT \(next(first)) AS walked_id
                UNION ALL
                SELECT \(next("thread_id > walked_id")) FROM walked WHERE walked_id IS NOT NULL
            )
            SELECT walked_id FROM walked WHERE walked_id IS NOT NULL LIMIT $1
            """
        )
    }
}

/// A connection that reads whole threads, one at a time, each in one snapshot.
final class PostgresSnapshots: Sendable {
    private let target: ConnectionString
    private let queue = DispatchQueue(label: "milepost.postgres.snapshots")
    private let session = Session()

    /// `@unchecked`: only the queue uses it.
    private final class Session: @unchecked Sendable {
        var connection: PostgresConnection?
    }

    init(_ target: ConnectionString) {
        self.target = target
    }

    func perform(
        _ operation: String,
        _ body: @escaping @Sendable (PostgresConnection) throws(StoreError) -> Void
    ) async throws(StoreError) {
        let result: Result<Void, StoreError> = await withCheckedContinuation { continuation in
            queue.async { [self] in
                let result: Result<Void, StoreError>
                do throws(StoreError) {
                    result = .success(try body(try connection(operation)))
                } catch {
                    result = .failure(error)
                }
                if session.connection?.isUsable == false { session.connection = nil }
                continuation.resume(returning: result)
            }
        }
        try result.get()
    }

    /// The same in one snapshot that changes nothing.
    func performInSnapshot(
        _ operation: String,
        _ body: @escaping @Sendable (EditTransaction) throws(PostgresFailure) -> Void
    ) async throws(StoreError) {
        try await perform(operation) { connection throws(StoreError) in
            let deadline = ContinuousClock.now + PostgresLimits.deletion
            let transaction = EditTransaction(
                connection: connection, deadline: deadline, isRewritten: false, isInDoubt: false)
            do throws(PostgresFailure) {
                try transaction.run([PostgresStatement(Self.begin)])
                do throws(PostgresFailure) {
                    try body(transaction)
                } catch {
                    try connection.run(PostgresStatement(Self.rollback), until: deadline)
                    throw error
                }
                try transaction.run([PostgresStatement(Self.rollback)])
            } catch {
                throw error.error(during: operation)
            }
        }
    }

    private static let begin = StatementText("begin_snapshot", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    private static let rollback = StatementText("rollback_snapshot", "ROLLBACK")

    func close() async {
        await withCheckedContinuation { done in
            queue.async { [self] in
                session.connection = nil
                done.resume()
            }
        }
    }

    private func connection(_ operation: String) throws(StoreError) -> PostgresConnection {
        if let open = session.connection, open.isAlive { return open }
        do throws(PostgresFailure) {
            let connection = try PostgresConnection(target)
            session.connection = connection
            return connection
        } catch {
            throw error.error(during: operation)
        }
    }
}

/// Reads a thread's rows in pages, from one snapshot.
private struct ThreadCursor {
    private static let operation = "read a thread"
    /// What a page should have at most; a single row may have more.
    private static let pageBytes = 4 << 20
    private static let largestPage = 64

    private let connection: PostgresConnection
    private let thread: ThreadKey
    private let columns: PostgresColumns

    init(_ connection: PostgresConnection, thread: ThreadKey, columns: PostgresColumns) {
        self.connection = connection
        self.thread = thread
        self.columns = columns
    }

    func read(_ body: (ThreadRow) throws(StoreError) -> Void) throws(StoreError) {
        try run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for (kind, query) in queries {
            var parameters = PostgresParameters()
            parameters.add(thread.storedID)
            try run("DECLARE walked NO SCROLL CURSOR FOR \(query)", parameters)
            try walk(kind, body)
            try run("CLOSE walked")
        }
        try run("COMMIT")
    }

    private enum Kind {
        case blobs
        case writes
        case checkpoints
    }

    private var queries: [(Kind, String)] {
        func order(_ columns: String...) -> String {
            columns.map { $0 == "idx" ? $0 : "\($0) COLLATE \"C\"" }.joined(separator: ", ")
        }
        return [
            (
                .blobs,
                """
                SELECT checkpoint_ns, channel, version, type, blob FROM checkpoint_blobs WHERE thread_id = $1
                ORDER BY \(order("checkpoint_ns", "channel", "version"))
                """
            ),
            (
                .writes,
                """
                SELECT checkpoint_ns, checkpoint_id, idx, task_id, channel, type, \(columns.taskPath), blob
                FROM checkpoint_writes WHERE thread_id = $1
                ORDER BY \(order("checkpoint_ns", "checkpoint_id", "task_id", "idx"))
                """
            ),
            (
                .checkpoints,
                """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, \(columns.texts)
                FROM checkpoints WHERE thread_id = $1 ORDER BY \(order("checkpoint_ns", "checkpoint_id"))
                """
            ),
        ]
    }

    private func walk(_ kind: Kind, _ body: (ThreadRow) throws(StoreError) -> Void) throws(StoreError) {
        var rows = 8
        while true {
            var page: [ThreadRow] = []
            var bytes = 0
            try run("FETCH \(rows) FROM walked") { result in
                for row in 0..<result.rowCount {
                    page.append(self.row(kind, result, row))
                    bytes += result.byteCount(row)
                }
            }
            for row in page { try body(row) }
            if page.count < rows { return }
            rows = max(1, min(Self.largestPage, rows * Self.pageBytes / max(bytes, 1), rows * 2))
        }
    }

    private func row(_ kind: Kind, _ result: borrowing PostgresResult, _ row: Int) -> ThreadRow {
        let namespace = result.identifier(row, 0)
        switch kind {
        case .blobs: return .blob(namespace: namespace, result.blob(row, from: 1, bytes: 4))
        case .writes:
            let write = result.write(row, index: 2, from: 3, bytes: 7)
            return .write(namespace: namespace, checkpointID: result.identifier(row, 1), write)
        case .checkpoints:
            let checkpoint = Checkpoint(
                key: CheckpointKey(thread: thread, namespace: namespace, id: result.identifier(row, 1)),
                parentID: result.optionalIdentifier(row, 2),
                document: JSONText(trusted: result.bytes(row, 3)),
                metadata: JSONText(trusted: result.bytes(row, 4))
            )
            return .checkpoint(checkpoint)
        }
    }

    private func run(
        _ sql: String,
        _ parameters: PostgresParameters = PostgresParameters(),
        _ onResult: (borrowing PostgresResult) -> Void = { _ in }
    ) throws(StoreError) {
        let statement = PostgresStatement(StatementText("transfer", sql, isPrepared: false), parameters)
        do throws(PostgresFailure) {
            try connection.run(statement, until: .now + PostgresLimits.patience, onResult: onResult)
        } catch {
            throw error.error(during: Self.operation)
        }
    }
}
