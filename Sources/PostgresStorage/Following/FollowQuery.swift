import Checkpoints

/// One look at the newest checkpoints of all followed threads, and at what was written after them.
struct FollowQuery {
    /// Checkpoints of one thread that are looked at, as following begins and later.
    static let limits = (beginning: FollowedThread.size, later: 1_000)
    /// Writes of one checkpoint that are looked at.
    private static let mostWrites = 5_000

    /// What each thread is looked at from; nil for everything that it has.
    let floors: [ThreadKey: ListOrder?]
    let limit: Int

    var statement: PostgresStatement {
        let threads = Array(floors)
        var parameters = PostgresParameters()
        parameters.add(texts: threads.map(\.key.storedID))
        parameters.add(texts: threads.map { $0.value?.id ?? "" })
        parameters.add(texts: threads.map { $0.value?.namespace ?? "" })
        parameters.add(Int64(limit))
        return PostgresStatement(Self.text, parameters)
    }

    /// By thread, newest first.
    static func decode(_ result: borrowing PostgresResult) -> [ThreadKey: [ReadCheckpoint]] {
        var found: [ThreadKey: [ListOrder: ReadCheckpoint]] = [:]
        for row in 0..<result.rowCount where result.isNull(row, 6) {
            let place = CheckpointPlace(namespace: result.identifier(row, 1), id: result.identifier(row, 2))
            let step = CheckpointStep(
                place: place,
                parentID: result.optionalIdentifier(row, 3),
                source: result.optionalIdentifier(row, 4)?.text,
                step: result.optionalIdentifier(row, 5).flatMap { Int($0.text) }
            )
            found[ThreadKey(storedID: result.identifier(row, 0)), default: [:]][ListOrder(place)] =
                ReadCheckpoint(step: step)
        }
        for row in 0..<result.rowCount where !result.isNull(row, 6) {
            let place = ListOrder(id: result.identifier(row, 2), namespace: result.identifier(row, 1))
            let write = WrittenChannel(
                taskID: result.identifier(row, 6),
                index: Int32(truncatingIfNeeded: result.integer(row, 7)),
                channel: result.identifier(row, 8)
            )
            found[ThreadKey(storedID: result.identifier(row, 0))]?[place]?.writes.append(write)
        }
        return found.mapValues { $0.values.sorted { $0.place > $1.place } }
    }

    /// No value leaves the database but for two members of the metadata; both looks are by key.
    private static let text = StatementText(
        "followed",
        """
        WITH found AS (
            SELECT followed.thread_id, newest.*
            FROM unnest($1::text[], $2::text[], $3::text[]) AS followed (thread_id, floor_id, floor_ns)
            CROSS JOIN LATERAL (
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id,
                    \(StoredCheckpoint.label("source", of: "metadata")) AS source,
                    CASE WHEN jsonb_typeof(metadata -> 'step') = 'number' THEN metadata ->> 'step' END AS step
                FROM checkpoints
                WHERE checkpoints.thread_id = followed.thread_id
                    AND (checkpoint_id COLLATE "C", checkpoint_ns COLLATE "C") >= (floor_id, floor_ns)
                ORDER BY checkpoint_id COLLATE "C" DESC, checkpoint_ns COLLATE "C" DESC LIMIT $4
            ) AS newest
        )
        SELECT thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, source, step, NULL::text AS task_id,
            NULL::int4 AS idx, NULL::text AS channel
        FROM found
        UNION ALL
        SELECT found.thread_id, found.checkpoint_ns, found.checkpoint_id, NULL, NULL, NULL, written.task_id, written.idx,
            written.channel
        FROM found CROSS JOIN LATERAL (
            SELECT task_id, idx, channel FROM checkpoint_writes
            WHERE checkpoint_writes.thread_id = found.thread_id
                AND checkpoint_writes.checkpoint_ns = found.checkpoint_ns
                AND checkpoint_writes.checkpoint_id = found.checkpoint_id
            ORDER BY task_id, idx LIMIT \(mostWrites)
        ) AS written
        """
    )
}
