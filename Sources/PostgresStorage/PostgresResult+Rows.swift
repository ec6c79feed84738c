import Checkpoints

extension PostgresResult {
    /// Columns channel, version and type from a column on.
    func blob(_ row: Int, from column: Int, bytes: Int) -> ChannelBlob {
        ChannelBlob(
            channel: identifier(row, column),
            version: identifier(row, column + 1),
            type: optionalIdentifier(row, column + 2)?.text ?? "",
            bytes: optionalBytes(row, bytes)
        )
    }

    /// Columns task, channel, type and task path from a column on.
    func write(_ row: Int, index: Int, from column: Int, bytes: Int) -> PendingWrite {
        PendingWrite(
            taskID: identifier(row, column),
            index: Int32(truncatingIfNeeded: integer(row, index)),
            channel: identifier(row, column + 1),
            type: optionalIdentifier(row, column + 2)?.text,
            bytes: self.bytes(row, bytes),
            taskPath: identifier(row, column + 3)
        )
    }

    /// Columns checkpoint id and `ts`; nil when the id is null.
    func step(_ row: Int, _ column: Int) -> NamespaceSummary.Step? {
        guard let id = optionalIdentifier(row, column) else { return nil }
        return NamespaceSummary.Step(id: id, time: optionalIdentifier(row, column + 1)?.text)
    }

    /// Columns namespace, four counts, and the first and the newest checkpoint, after the thread's.
    func namespaceSummary(_ row: Int) -> NamespaceSummary {
        NamespaceSummary(
            namespace: identifier(row, 1),
            first: step(row, 6),
            head: step(row, 8),
            counts: RowCounts(
                checkpoints: integer(row, 2),
                blobs: integer(row, 3),
                writes: integer(row, 4),
                bytes: integer(row, 5)
            )
        )
    }
}
