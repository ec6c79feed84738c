import Checkpoints
import JSON

/// What get-tuple asks: a checkpoint with its blobs and writes, in one statement.
///
/// PostgreSQL finds the blobs by the versions in `jsonb`. Where a version is no text, or the document has something that
/// `jsonb` has not, those may be the wrong ones; then it is asked once more, for the versions that the exact text names.
struct TupleQuery: Sendable {
    private static let operation = "read a checkpoint"

    let thread: ThreadKey
    let namespace: Identifier
    /// Nil for the greatest.
    let id: Identifier?
    let parts: TupleParts
    /// The document that was seen and the blobs that it names; nil to let PostgreSQL find them.
    private var seen: (document: JSONText, versions: [ChannelVersion])?
    private let deadline = ContinuousClock.now + PostgresLimits.patience

    init(thread: ThreadKey, namespace: Identifier, id: Identifier?, parts: TupleParts) {
        self.thread = thread
        self.namespace = namespace
        self.id = id
        self.parts = parts
    }

    func read(then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void) -> Read {
        read(isAlone: false) {
            answer(.failure($0))
        } finish: {
            answer(.success($0))
            return nil
        }
    }

    /// The same as one of several reads, of one snapshot when it `isAlone`.
    func read(
        isAlone: Bool,
        refuse: @escaping @Sendable (StoreError) -> Void,
        finish: @escaping @Sendable (CheckpointTuple?) throws -> Read?
    ) -> Read {
        Read(Self.operation, until: deadline, statement, isAlone: isAlone, refuse: refuse) { result in
            guard let first = (0..<result.rowCount).first(where: { result.integer($0, 0) == Self.checkpointKind })
            else { return try finish(nil) }
            let document = JSONText(trusted: result.bytes(first, 4))
            let named = try ChannelVersion.named(by: document)
            guard named.areTexts && !document.hasForeignEscape || seen?.document == document else {
                var next = self
                next.seen = (document, named.versions)
                return next.read(isAlone: isAlone, refuse: refuse, finish: finish)
            }
            return try finish(tuple(from: result, first, document, named.versions))
        }
    }

    private var statement: PostgresStatement {
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        parameters.add(namespace)
        if let id { parameters.add(id) }
        if let versions = seen?.versions {
            parameters.add(texts: versions.lazy.map(\.channel))
            parameters.add(texts: versions.lazy.map(\.version))
        }
        let shape = Shape(
            isNamed: id != nil, hasVersions: seen != nil, hasSends: parts.contains(.parentSends))
        return PostgresStatement(Shape.statements[shape.number], parameters)
    }

    private func tuple(
        from result: borrowing PostgresResult,
        _ first: Int,
        _ document: JSONText,
        _ versions: [ChannelVersion]
    ) -> CheckpointTuple {
        let checkpoint = Checkpoint(
            key: CheckpointKey(thread: thread, namespace: namespace, id: result.identifier(first, 2)),
            parentID: result.optionalIdentifier(first, 3),
            document: document,
            metadata: JSONText(trusted: result.bytes(first, 5))
        )
        var blobs: [ChannelVersion: ChannelBlob] = [:]
        var writes: [PendingWrite] = []
        var sends: [PendingWrite] = []
        for row in 0..<result.rowCount where row != first {
            switch result.integer(row, 0) {
            case Self.blobKind:
                let blob = result.blob(row, from: 2, bytes: 6)
                blobs[ChannelVersion(channel: blob.channel, version: blob.version)] = blob
            case Self.sendKind: sends.append(result.write(row, index: 1, from: 2, bytes: 6))
            default: writes.append(result.write(row, index: 1, from: 2, bytes: 6))
            }
        }
        return CheckpointTuple(
            checkpoint: checkpoint,
            blobs: versions.compactMap { blobs[$0] },
            pendingWrites: writes.sorted(by: PendingWrite.precedes),
            parentSends: checkpoint.sendsAreInParent ? sends.sorted(by: PendingWrite.precedes) : []
        )
    }

    // MARK: - Statements

    private static let checkpointKind = 0
    private static let blobKind = 1

    private static let sendKind = 3

    private struct Shape {
        let isNamed: Bool
        let hasVersions: Bool
        let hasSends: Bool

        var number: Int { (isNamed ? 1 : 0) + (hasVersions ? 2 : 0) + (hasSends ? 4 : 0) }

        /// By `number`.
        static let statements = (0..<8).map { number in
            let first = number & 1 == 0 ? 3 : 4
            return TupleQuery.statement(
                number,
                number & 1 == 0 ? newestCondition : "AND checkpoint_id = $3",
                number & 2 == 0
                    ? versionsInDocument
                    : "unnest($\(first)::text[], $\(first + 1)::text[]) AS named (channel, version)",
                hasSends: number & 4 != 0
            )
        }
    }

    private static let newestCondition = "ORDER BY checkpoint_id COLLATE \"C\" DESC LIMIT 1"

    /// None where `channel_versions` is no object.
    private static let versionsInDocument = """
        jsonb_each_text(
            CASE WHEN jsonb_typeof(found.checkpoint -> 'channel_versions') = 'object'
            THEN found.checkpoint -> 'channel_versions' ELSE '{}' END
        ) AS named (channel, version)
        """

    /// Rows of three kinds in the columns kind, index and four texts and a blob:
    /// 0: checkpoint id, parent, document, metadata; 1: channel, version, type; 2: task, channel, type, task path; 3: the
    /// same of the parent's sends.
    private static func statement(
        _ number: Int,
        _ condition: String,
        _ versions: String,
        hasSends: Bool
    ) -> StatementText {
        let sends = """
            UNION ALL
            SELECT \(sendKind), stored.idx, stored.task_id, stored.channel, stored.type, stored.task_path, stored.blob
            FROM found, checkpoint_writes AS stored
            WHERE stored.thread_id = $1 AND stored.checkpoint_ns = $2
                AND stored.checkpoint_id = found.parent_checkpoint_id AND stored.channel = '\(Identifier.sendsChannel)'
            """
        return StatementText(
            "tuple_\(number)",
            """
            WITH found AS MATERIALIZED (
                SELECT checkpoint_id, parent_checkpoint_id, checkpoint, metadata,
                    milepost_checkpoint, milepost_metadata, milepost_digest
                FROM checkpoints WHERE thread_id = $1 AND checkpoint_ns = $2 \(condition)
            )
            SELECT \(checkpointKind), 0, checkpoint_id, parent_checkpoint_id, \(StoredCheckpoint.texts), NULL::bytea FROM found
            UNION ALL
            SELECT \(blobKind), 0, stored.channel, stored.version, stored.type, NULL, stored.blob
            FROM found, \(versions), checkpoint_blobs AS stored
            WHERE stored.thread_id = $1 AND stored.checkpoint_ns = $2
                AND stored.channel = named.channel AND stored.version = named.version
            UNION ALL
            SELECT 2, stored.idx, stored.task_id, stored.channel, stored.type, stored.task_path, stored.blob
            FROM found, checkpoint_writes AS stored
            WHERE stored.thread_id = $1 AND stored.checkpoint_ns = $2 AND stored.checkpoint_id = found.checkpoint_id
            \(hasSends ? sends : "")
            """
        )
    }
}
