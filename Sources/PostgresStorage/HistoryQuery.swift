import Checkpoints
import JSON

/// What delta-channel-history asks, in one statement: the ancestors as far as a channel still looks for its value, what
/// they wrote to it, and the value.
///
/// PostgreSQL finds the values by what `jsonb` holds. Where that may not be what the document says (a name or a version
/// with U+FFFD, a version that Python writes otherwise), the ancestors are read one after the other instead.
struct HistoryQuery: Sendable {
    private static let operation = "read a history"

    let channels: [Identifier]
    let thread: ThreadKey
    let namespace: Identifier
    /// Nil for the greatest.
    let id: Identifier?

    typealias Answer = @Sendable (Result<[ChannelHistory], StoreError>) -> Void

    func read(then answer: @escaping Answer) -> Read {
        if channels.contains(where: { $0.text.unicodeScalars.contains("\u{FFFD}") }) { return exactRead(then: answer) }
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        parameters.add(namespace)
        parameters.add(texts: Set(channels))
        if let id { parameters.add(id) }
        let statement = PostgresStatement(id == nil ? Self.newest : Self.named, parameters)
        return Read(Self.operation, statement, isAlone: true) {
            answer(.failure($0))
        } finish: { result in
            let isOdd = (0..<result.rowCount).contains { result.integer($0, 0) == Self.oddKind }
            if isOdd { return exactRead(then: answer) }
            answer(.success(try histories(from: result)))
            return nil
        }
    }

    /// The same by reading tuples of one snapshot, the target's first.
    private func exactRead(then answer: @escaping Answer) -> Read {
        tuple(id, [], answer) { next(AncestorWalk(channels, from: $0?.checkpoint), answer) }
    }

    private func next(_ walk: AncestorWalk, _ answer: @escaping Answer) -> Read? {
        guard let id = walk.next else {
            answer(.success(walk.histories))
            return nil
        }
        return tuple(id, .tuple, answer) { ancestor in
            guard let ancestor else {
                answer(.success(walk.histories))
                return nil
            }
            var walk = walk
            try walk.add(ancestor)
            return next(walk, answer)
        }
    }

    private func tuple(
        _ id: Identifier?,
        _ parts: TupleParts,
        _ answer: @escaping Answer,
        finish: @escaping @Sendable (CheckpointTuple?) throws -> Read?
    ) -> Read {
        let query = TupleQuery(thread: thread, namespace: namespace, id: id, parts: parts)
        return query.read(isAlone: true, refuse: { answer(.failure($0)) }, finish: finish)
    }

    private struct Ancestor {
        var parentID: Identifier?
        var document = JSONText.emptyObject
        var blobs: [ChannelBlob] = []
    }

    private func histories(from result: borrowing PostgresResult) throws -> [ChannelHistory] {
        var next: Identifier?
        var ancestors: [Identifier: Ancestor] = [:]
        // A walk in a circle comes to an ancestor with fewer channels than the first time.
        var writes: [Identifier: Set<PendingWrite>] = [:]
        for row in 0..<result.rowCount {
            let id = result.optionalIdentifier(row, 2) ?? ""
            switch result.integer(row, 0) {
            case 0: next = result.optionalIdentifier(row, 3)
            case 1: ancestors[id, default: Ancestor()].parentID = result.optionalIdentifier(row, 3)
            case 2: ancestors[id, default: Ancestor()].document = JSONText(trusted: result.bytes(row, 3))
            case 3: ancestors[id, default: Ancestor()].blobs.append(result.blob(row, from: 3, bytes: 7))
            default: writes[id, default: []].insert(result.write(row, index: 1, from: 3, bytes: 7))
            }
        }
        var walk = HistoryWalk(channels)
        while let id = next, let ancestor = ancestors.removeValue(forKey: id) {
            let checkpoint = Checkpoint(
                key: CheckpointKey(thread: thread, namespace: namespace, id: id),
                parentID: ancestor.parentID,
                document: ancestor.document,
                metadata: .emptyObject
            )
            try walk.add(checkpoint, (writes[id] ?? []).sorted(by: PendingWrite.precedes), ancestor.blobs)
            next = ancestor.parentID
        }
        return walk.histories
    }

    // MARK: - Statements

    private static let newest = statement("newest", "ORDER BY checkpoint_id COLLATE \"C\" DESC LIMIT 1")
    private static let named = statement("named", "AND checkpoint_id = $4")

    /// Each step has the channels that look for their value before and after it.
    ///
    /// A step that has been there ends the
    /// walk: `UNION` leaves it out.
    ///
    /// Rows of five kinds in the columns kind, index, checkpoint id, four texts and a blob: 0: the target's parent; 1: an
    /// ancestor's parent; 2: the document of one that has a value in it; 3: a value's blob; 4: a write; 5: one whose
    /// document must be read, in place of 1.
    private static func statement(_ name: String, _ condition: String) -> StatementText {
        StatementText(
            "history_" + name,
            """
            WITH RECURSIVE target AS MATERIALIZED (
                SELECT checkpoint_id, parent_checkpoint_id FROM checkpoints
                WHERE thread_id = $1 AND checkpoint_ns = $2 \(condition)
            ), walked (id, parent, before, after, is_odd) AS (
                -- A null that has the column's own collation, so that the indexes serve the joins below.
                SELECT CASE WHEN false THEN checkpoint_id END, parent_checkpoint_id, $3::text[], $3::text[], false
                FROM target
                UNION
                SELECT checkpoint_id, parent_checkpoint_id, walked.after, ARRAY(
                    SELECT looking.channel FROM unnest(walked.after) AS looking (channel)
                    WHERE NOT \(hasInlineValue) AND NOT EXISTS (
                        SELECT 1 FROM checkpoint_blobs AS stored
                        WHERE stored.thread_id = $1 AND stored.checkpoint_ns = $2
                            AND stored.channel = looking.channel
                            AND stored.version = versions ->> looking.channel AND \(hasValue)
                    )
                ), EXISTS (
                    SELECT 1 FROM unnest(walked.after) AS looking (channel)
                    CROSS JOIN LATERAL (SELECT versions -> looking.channel AS version) AS named WHERE NOT \(isPlain)
                )
                FROM walked JOIN checkpoints
                    ON thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = walked.parent
                -- OFFSET has each taken from the document once.
                CROSS JOIN LATERAL (
                    SELECT checkpoint -> 'channel_versions' AS versions, checkpoint -> 'channel_values' AS inline OFFSET 0
                ) AS parts
                WHERE walked.after <> '{}' AND NOT walked.is_odd
            ), seeded AS (
                SELECT id, channel, checkpoints.* FROM walked
                CROSS JOIN unnest(walked.before) AS channel
                JOIN checkpoints ON thread_id = $1 AND checkpoint_ns = $2 AND checkpoint_id = id
                WHERE NOT channel = ANY (walked.after)
            )
            SELECT 0, 0, NULL, parent_checkpoint_id, NULL, NULL, NULL, NULL::bytea FROM target
            UNION ALL
            SELECT CASE WHEN is_odd THEN \(oddKind) ELSE 1 END, 0, id, parent, NULL, NULL, NULL, NULL
            FROM walked WHERE id IS NOT NULL
            UNION ALL
            SELECT DISTINCT 2, 0, id, \(StoredCheckpoint.texts), NULL, NULL, NULL::bytea FROM seeded
            UNION ALL
            SELECT 3, 0, id, stored.channel, stored.version, stored.type, NULL, stored.blob
            FROM seeded, checkpoint_blobs AS stored
            WHERE stored.thread_id = $1 AND stored.checkpoint_ns = $2 AND stored.channel = seeded.channel
                AND stored.version = seeded.checkpoint -> 'channel_versions' ->> seeded.channel AND \(hasValue)
            UNION ALL
            SELECT 4, stored.idx, id, stored.task_id, stored.channel, stored.type, stored.task_path, stored.blob
            FROM walked, checkpoint_writes AS stored
            WHERE stored.thread_id = $1 AND stored.checkpoint_ns = $2 AND stored.checkpoint_id = id
                AND stored.channel = ANY (walked.before)
            """
        )
    }

    private static let hasInlineValue = """
        coalesce(jsonb_typeof(inline) = 'object' AND inline ? looking.channel, false)
        """
    /// Whether `version` is missing or the text of a blob's, as it is in the document and as Python writes it; null is not.
    private static let isPlain = """
        CASE jsonb_typeof(version)
        WHEN 'string' THEN NOT \(StoredCheckpoint.mayDiffer("version #>> '{}'"))
        WHEN 'number' THEN version::text !~ '[.]' OR version::text ~ '^-?([1-9][0-9]{0,8}|0)[.](0|[0-9]{0,3}[1-9])$'
        ELSE version IS NULL
        END
        """
    private static let oddKind = 5
    /// See `ChannelBlob.hasValue`.
    private static let hasValue = "stored.type <> 'empty' AND stored.blob IS NOT NULL"
}
