import Checkpoints
import JSON

/// What list asks: a page in one statement.
///
/// The filter goes along as `@>` where `jsonb` holds it exactly; what it lets through is compared once more here. Where
/// that leaves too few, or the filter stays here, the pages after are asked for too, each a statement of its own.
struct ListQuery: Sendable {
    private static let operation = "list checkpoints"
    /// Rows asked for at once at most.
    private static let largestPage = 1_000

    private let query: CheckpointQuery
    private let deadline = ContinuousClock.now + PostgresLimits.patience
    /// The filter as the server compares it; nil when it does not.
    private var filter: JSONText?
    private var found: [Checkpoint] = []
    /// The last row that was looked at.
    private var last: (id: Identifier, namespace: Identifier)?
    /// Rows that the next statement asks for.
    private var rows: Int

    init(_ query: CheckpointQuery) {
        self.query = query
        rows = query.limit
        let text = query.metadataFilter?.text
        filter = text.flatMap { $0.hasForeignEscape ? nil : $0 }
    }

    func read(then answer: @escaping @Sendable (Result<[Checkpoint], StoreError>) -> Void) -> Read {
        var read = Read(
            Self.operation, until: deadline, statement, isAlone: query.metadataFilter != nil || query.limit > 100
        ) {
            answer(.failure($0))
        } finish: { result in
            var next = self
            try next.take(result)
            guard next.found.count < query.limit, result.rowCount == rows else {
                answer(.success(next.found))
                return nil
            }
            if ContinuousClock.now > deadline {
                answer(.failure(StoreError(.unavailable, during: Self.operation, detail: "not found in time")))
                return nil
            }
            next.rows = min(rows * 2, Self.largestPage)
            return next.read(then: answer)
        }
        if filter != nil {
            // A number in it that `numeric` does not hold.
            read.alternative = {
                var other = self
                other.filter = nil
                return other.read(then: answer)
            }
        }
        return read
    }

    private mutating func take(_ result: borrowing PostgresResult) throws {
        for row in 0..<result.rowCount where found.count < query.limit {
            let metadata = JSONText(trusted: result.bytes(row, 4))
            let place = (id: result.identifier(row, 1), namespace: result.identifier(row, 0))
            last = place
            if let filter = query.metadataFilter, try !metadata.value.contains(filter) { continue }
            found.append(
                Checkpoint(
                    key: CheckpointKey(thread: query.thread, namespace: place.namespace, id: place.id),
                    parentID: result.optionalIdentifier(row, 2),
                    document: JSONText(trusted: result.bytes(row, 3)),
                    metadata: metadata
                )
            )
        }
    }

    private var statement: PostgresStatement {
        var parameters = PostgresParameters()
        parameters.add(query.thread.storedID)
        parameters.add(Int64(rows))
        if let namespace = query.namespace { parameters.add(namespace) }
        if let before = query.before { parameters.add(before) }
        if let filter { parameters.add(utf8Text: filter.bytes) }
        if let last {
            parameters.add(last.id)
            parameters.add(last.namespace)
        }
        let shape = Shape(
            hasNamespace: query.namespace != nil,
            hasBefore: query.before != nil,
            hasFilter: filter != nil,
            isNext: last != nil
        )
        return PostgresStatement(Shape.statements[shape.number], parameters)
    }

    /// Which conditions there are.
    private struct Shape {
        let hasNamespace: Bool
        let hasBefore: Bool
        let hasFilter: Bool
        /// Whether it goes on after a row.
        let isNext: Bool

        var number: Int { (hasNamespace ? 1 : 0) + (hasBefore ? 2 : 0) + (hasFilter ? 4 : 0) + (isNext ? 8 : 0) }

        /// By `number`.
        static let statements = (0..<16).map { number in
            Shape(
                hasNamespace: number & 1 != 0,
                hasBefore: number & 2 != 0,
                hasFilter: number & 4 != 0,
                isNext: number & 8 != 0
            ).statement
        }

        /// Ids compare by their bytes whatever the database's collation, and an index serves each form: see
        /// `PostgresSchema`.
        private var statement: StatementText {
            var conditions = "thread_id = $1"
            var next = 3
            func add(_ condition: (Int) -> String) {
                conditions += " AND " + condition(next)
                next += 1
            }
            if hasNamespace { add { "checkpoint_ns = $\($0)" } }
            if hasBefore { add { "checkpoint_id COLLATE \"C\" < $\($0)" } }
            if hasFilter { add { "metadata @> $\($0)::text::jsonb" } }
            if isNext {
                add { "(checkpoint_id COLLATE \"C\", checkpoint_ns COLLATE \"C\") < ($\($0), $\($0 + 1))" }
            }
            let order = hasNamespace ? "" : ", checkpoint_ns COLLATE \"C\" DESC"
            return StatementText(
                "list_\(number)",
                """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, \(StoredCheckpoint.texts)
                FROM checkpoints WHERE \(conditions)
                ORDER BY checkpoint_id COLLATE "C" DESC\(order) LIMIT $2
                """
            )
        }
    }
}
