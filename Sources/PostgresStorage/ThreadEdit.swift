import Checkpoints
import JSON

/// What is done with one thread while no other change touches it.
struct ThreadEdit: Sendable {
    /// Whether it may take as long as a deletion, and is not done again when its commit's answer is lost.
    var isDeletion = false
    /// What it did once it has run; nil for nothing that anybody is told of.
    let effect: @Sendable () -> ThreadChange?
    /// May run twice, never half.
    let body: @Sendable (EditTransaction) throws(PostgresFailure) -> Void

    init(
        isDeletion: Bool = false,
        telling effect: @escaping @Sendable () -> ThreadChange? = { nil },
        _ body: @escaping @Sendable (EditTransaction) throws(PostgresFailure) -> Void
    ) {
        self.isDeletion = isDeletion
        self.effect = effect
        self.body = body
    }
}

/// An open transaction that has the thread's lock.
struct EditTransaction {
    let connection: PostgresConnection
    let deadline: ContinuousClock.Instant
    /// Whether JSON is rewritten wherever `jsonb` might not take it.
    let isRewritten: Bool
    /// Whether it may have happened already.
    let isInDoubt: Bool

    /// All of them in one round trip.
    func run(
        _ statements: [PostgresStatement],
        _ onResult: (_ index: Int, borrowing PostgresResult) -> Void = { _, _ in }
    ) throws(PostgresFailure) {
        guard !statements.isEmpty else { return }
        let failures = try connection.run([statements], until: deadline) { _, index, result in
            onResult(index, result)
        }
        if let failure = failures[0] { throw failure }
    }

    /// The checkpoint with the greatest id of a namespace.
    func head(of key: CheckpointKey) throws(PostgresFailure) -> Checkpoint? {
        var parameters = PostgresParameters()
        parameters.add(key.thread.storedID)
        parameters.add(key.namespace)
        var head: Checkpoint?
        try run([PostgresStatement(Self.head, parameters)]) { _, result in
            guard result.rowCount > 0 else { return }
            head = Checkpoint(
                key: CheckpointKey(
                    thread: key.thread, namespace: key.namespace, id: result.identifier(0, 0)),
                parentID: result.optionalIdentifier(0, 1),
                document: JSONText(trusted: result.bytes(0, 2)),
                metadata: JSONText(trusted: result.bytes(0, 3))
            )
        }
        return head
    }

    private static let head = StatementText(
        "head",
        """
        SELECT checkpoint_id, parent_checkpoint_id, \(StoredCheckpoint.texts)
        FROM checkpoints WHERE thread_id = $1 AND checkpoint_ns = $2
        ORDER BY checkpoint_id COLLATE "C" DESC LIMIT 1
        """
    )
}
