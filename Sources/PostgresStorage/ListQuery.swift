import Checkpoints
import JSON

/// What list asks: a page in one statement, and its tuples' parts in two more of the same snapshot.
///
/// The filter goes along as `@>` where `jsonb` holds it exactly; what it lets through is compared once more here. Where
/// that leaves too few, or the filter stays here, the pages after are asked for too, each a statement of its own.
struct ListQuery: Sendable {
    private static let operation = "list checkpoints"
    /// Rows asked for at once at most.
    private static let largestPage = 1_000

    private let query: CheckpointQuery
    private let deadline: ContinuousClock.Instant
    /// The filter as the server compares it; nil when it does not.
    private var filter: JSONText?
    private var found: [Checkpoint] = []
    /// The last row that was looked at.
    private var last: ListRow?
    /// Rows that the next statement asks for.
    private var rows: Int

    /// A place as the database has it: its thread id is a `storedID`.
    private typealias ListRow = ListPlace

    init(_ query: CheckpointQuery) {
        self.query = query
        deadline = .now + (query.scope.isTenant ? PostgresLimits.deletion : PostgresLimits.patience)
        rows = query.limit
        let text = query.metadataFilter?.text
        last = query.after.map { after in
            let thread = ThreadKey(after.thread, tenant: query.scope.tenant).storedID
            return ListRow(id: after.id, thread: thread, namespace: after.namespace)
        }
        filter = text.flatMap { $0.hasForeignEscape ? nil : $0 }
    }

    func read(then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void) -> Read {
        var read = Read(Self.operation, until: deadline, statement, isAlone: isSlow, isScan: query.scope.isTenant) {
            answer(.failure($0))
        } finish: { result in
            var next = self
            try next.take(result)
            guard next.found.count < query.limit, result.rowCount == rows else {
                return try PartsQuery(next.found, of: query).read(until: deadline, then: answer)
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

    private var isSlow: Bool {
        query.metadataFilter != nil || query.limit > 100 || !query.parts.isEmpty
    }

    private mutating func take(_ result: borrowing PostgresResult) throws {
        for row in 0..<result.rowCount where found.count < query.limit {
            let metadata = JSONText(trusted: result.bytes(row, 5))
            let stored = result.identifier(row, 0)
            let place = ListRow(id: result.identifier(row, 2), thread: stored, namespace: result.identifier(row, 1))
            last = place
            let thread = ThreadKey(storedID: stored)
            guard thread.tenant == query.scope.tenant else { continue }
            if let filter = query.metadataFilter, try !metadata.value.contains(filter) { continue }
            found.append(
                Checkpoint(
                    key: CheckpointKey(thread: thread, namespace: place.namespace, id: place.id),
                    parentID: result.optionalIdentifier(row, 3),
                    document: JSONText(trusted: result.bytes(row, 4)),
                    metadata: metadata
                )
            )
        }
    }

    private var statement: PostgresStatement {
        var parameters = PostgresParameters()
        parameters.add(Int64(rows))
        var shape = Shape()
        switch query.scope {
        case .thread(let thread):
            shape.insert(.thread)
            parameters.add(thread.storedID)
        case .tenant(let tenant): parameters.add(tenant.idPrefix)
        }
        func add(_ condition: Shape, _ value: Identifier?) {
            guard let value else { return }
            shape.insert(condition)
            parameters.add(value)
        }
        add(.namespace, query.namespace)
        add(.id, query.id)
        add(.before, query.before)
        if let filter {
            shape.insert(.filter)
            parameters.add(utf8Text: filter.bytes)
        }
        if let last {
            shape.insert(.next)
            parameters.add(last.id)
            parameters.add(last.thread)
            parameters.add(last.namespace)
        }
        return PostgresStatement(Shape.statements[shape.rawValue], parameters)
    }

    /// Which conditions there are.
    private struct Shape: OptionSet {
        let rawValue: Int

        static let thread = Shape(rawValue: 1)
        static let namespace = Shape(rawValue: 2)
        static let id = Shape(rawValue: 4)
        static let before = Shape(rawValue: 8)
        static let filter = Shape(rawValue: 16)
        /// It goes on after a row.
        static let next = Shape(rawValue: 32)

        /// By `rawValue`.
        static let statements = (0..<64).map { Shape(rawValue: $0).statement }

        /// Ids compare by their bytes whatever the database's collation, and an index serves each form of one thread: see
        /// `PostgresSchema`.
        private var statement: StatementText {
            var conditions: [String] = []
            var next = 3
            func add(_ part: Shape, _ count: Int = 1, _ condition: (Int) -> String) {
                guard contains(part) else { return }
                conditions.append(condition(next))
                next += count
            }
            conditions.append(contains(.thread) ? "thread_id = $2" : Tenant.condition(2))
            add(.namespace) { "checkpoint_ns = $\($0)" }
            add(.id) { "checkpoint_id = $\($0)" }
            add(.before) { "checkpoint_id COLLATE \"C\" < $\($0)" }
            add(.filter) { "metadata @> $\($0)::text::jsonb" }
            add(.next, 3) { first in
                // Within one thread the index has no thread to compare; the place's is always there, to be of use.
                contains(.thread)
                    ? """
                    (checkpoint_id COLLATE "C", checkpoint_ns COLLATE "C") < ($\(first), $\(first + 2))
                    AND $\(first + 1)::text IS NOT NULL
                    """
                    : """
                    (checkpoint_id COLLATE "C", thread_id COLLATE "C", checkpoint_ns COLLATE "C")
                    < ($\(first), $\(first + 1), $\(first + 2))
                    """
            }
            let thread = contains(.thread) ? "" : ", thread_id COLLATE \"C\" DESC"
            let namespace = contains(.namespace) ? "" : ", checkpoint_ns COLLATE \"C\" DESC"
            return StatementText(
                "list_\(rawValue)",
                """
                SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, \(StoredCheckpoint.texts)
                FROM checkpoints WHERE \(conditions.joined(separator: " AND "))
                ORDER BY checkpoint_id COLLATE "C" DESC\(thread)\(namespace) LIMIT $1
                """
            )
        }
    }
}

extension CheckpointQuery.Scope {
    fileprivate var isTenant: Bool {
        if case .tenant = self { true } else { false }
    }
}
