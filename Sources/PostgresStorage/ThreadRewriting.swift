import Checkpoints
import JSON

/// Gives a thread what is made of another's rows, or of its own.
///
/// One cursor over all three tables is one snapshot, and sees nothing of what is deleted and added after it was declared.
/// https://www.postgresql.org/docs/15/sql-declare.html, "insensitive"
struct ThreadRewriting {
    /// Rows that are fetched at once at most, and the bytes that a page should have.
    private static let largestPage = 64
    private static let pageBytes = 4 << 20

    let source: ThreadKey
    let target: ThreadKey
    let transaction: EditTransaction

    func run(_ transform: (ThreadRow) throws(PostgresFailure) -> ThreadRow) throws(PostgresFailure) {
        var parameters = PostgresParameters()
        parameters.add(source.storedID)
        try transaction.run([PostgresStatement(Self.declare, parameters)])
        if target == source { try transaction.run(Self.deletions.map { PostgresStatement($0, parameters) }) }
        var page = 8
        var isLast = false
        while !isLast {
            var rows: [ThreadRow] = []
            let fetch = StatementText("rewritten_fetch", "FETCH \(page) FROM rewritten", isPrepared: false)
            try transaction.run([PostgresStatement(fetch)]) { _, result in
                isLast = result.rowCount < page
                let bytes = (0..<result.rowCount).reduce(1) { $0 + result.byteCount($1) }
                page = max(1, min(Self.largestPage, page * Self.pageBytes / bytes, page * 2))
                for row in 0..<result.rowCount { rows.append(self.row(result, row)) }
            }
            let changed = try rows.map { row throws(PostgresFailure) in try transform(row) }
            let batch = WriteBatch(changed, to: target, isRewritten: transaction.isRewritten)
            try transaction.run(batch.statements)
        }
        try transaction.run([PostgresStatement(Self.close)])
    }

    private func row(_ result: borrowing PostgresResult, _ row: Int) -> ThreadRow {
        let namespace = result.identifier(row, 1)
        switch result.integer(row, 0) {
        case 0: return .blob(namespace: namespace, result.blob(row, from: 2, bytes: 7))
        case 1:
            let write = result.write(row, index: 6, from: 2, bytes: 7)
            return .write(namespace: namespace, checkpointID: result.identifier(row, 8), write)
        default:
            let checkpoint = Checkpoint(
                key: CheckpointKey(thread: target, namespace: namespace, id: result.identifier(row, 8)),
                parentID: result.optionalIdentifier(row, 2),
                document: JSONText(trusted: result.bytes(row, 9)),
                metadata: JSONText(trusted: result.bytes(row, 10))
            )
            return .checkpoint(checkpoint)
        }
    }

    /// Columns as `PostgresResult.blob` and `.write` take them: four texts and a number, then bytes, a checkpoint's id and its
    /// texts.
    private static let declare = StatementText(
        "rewritten_declare",
        """
        DECLARE rewritten NO SCROLL CURSOR FOR
        SELECT 0, checkpoint_ns, channel, version, type, NULL::text, NULL::int, blob, NULL::text, NULL::text, NULL::text
        FROM checkpoint_blobs WHERE thread_id = $1
        UNION ALL
        SELECT 1, checkpoint_ns, task_id, channel, type, task_path, idx, blob, checkpoint_id, NULL, NULL
        FROM checkpoint_writes WHERE thread_id = $1
        UNION ALL
        SELECT 2, checkpoint_ns, parent_checkpoint_id, NULL, NULL, NULL, NULL, NULL, checkpoint_id,
            \(StoredCheckpoint.texts)
        FROM checkpoints WHERE thread_id = $1
        """,
        isPrepared: false
    )
    private static let close = StatementText("rewritten_close", "CLOSE rewritten", isPrepared: false)

    private static let deletions = ["checkpoints", "checkpoint_blobs", "checkpoint_writes"].map { table in
        StatementText("rewritten_delete_\(table)", "DELETE FROM \(table) WHERE thread_id = $1")
    }
}
