import Checkpoints

/// What list asks beside a page's checkpoints: first how large their parts are, then those that the page takes.
///
/// The blobs are the ones that the exact documents name. Both statements are of the snapshot that the checkpoints are of.
struct PartsQuery: Sendable {
    private static let operation = "list checkpoints"

    private let query: CheckpointQuery
    private var checkpoints: [Checkpoint]
    /// Whether not all that were found are taken.
    private var isCut = false

    init(_ checkpoints: [Checkpoint], of query: CheckpointQuery) {
        self.checkpoints = checkpoints
        self.query = query
    }

    /// Nil when it could be answered at once.
    func read(
        until deadline: ContinuousClock.Instant,
        then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void
    ) throws -> Read? {
        guard !query.parts.isEmpty, !checkpoints.isEmpty else {
            answer(
                .success(CheckpointPage(checkpoints.map { CheckpointTuple(checkpoint: $0) }, of: query, isCut: false)))
            return nil
        }
        guard checkpoints.count > 1 else { return try parts(until: deadline, then: answer) }
        return Read(Self.operation, until: deadline, PostgresStatement(Self.sizes, try parameters()), isAlone: true) {
            answer(.failure($0))
        } finish: { result in
            var next = self
            next.cut(result)
            return try next.parts(until: deadline, then: answer)
        }
    }

    /// Keeps as many as a page may have bytes of parts, at least one.
    private mutating func cut(_ result: borrowing PostgresResult) {
        var sizes = [Int](repeating: 0, count: checkpoints.count)
        for row in 0..<result.rowCount { sizes[result.integer(row, 0)] = result.integer(row, 1) }
        var bytes = 0
        let count = sizes.firstIndex { size in
            bytes += size
            return bytes >= CheckpointQuery.pagePartBytes
        }
        guard let count else { return }
        checkpoints.removeLast(checkpoints.count - count - 1)
        isCut = true
    }

    private func parts(
        until deadline: ContinuousClock.Instant,
        then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void
    ) throws -> Read {
        Read(Self.operation, until: deadline, PostgresStatement(Self.rows, try parameters()), isAlone: true) {
            answer(.failure($0))
        } finish: { result in
            answer(.success(CheckpointPage(try tuples(from: result), of: query, isCut: isCut)))
            return nil
        }
    }

    private func tuples(from result: borrowing PostgresResult) throws -> [CheckpointTuple] {
        var blobs = [[ChannelVersion: ChannelBlob]](repeating: [:], count: checkpoints.count)
        var writes = [[PendingWrite]](repeating: [], count: checkpoints.count)
        var sends = writes
        for row in 0..<result.rowCount {
            let place = result.integer(row, 1)
            switch result.integer(row, 0) {
            case 0:
                let blob = result.blob(row, from: 3, bytes: 7)
                blobs[place][ChannelVersion(channel: blob.channel, version: blob.version)] = blob
            case 1: writes[place].append(result.write(row, index: 2, from: 3, bytes: 7))
            default: sends[place].append(result.write(row, index: 2, from: 3, bytes: 7))
            }
        }
        return try checkpoints.enumerated().map { place, checkpoint in
            CheckpointTuple(
                checkpoint: checkpoint,
                blobs: blobs[place].isEmpty
                    ? [] : try ChannelVersion.all(in: checkpoint.document).compactMap { blobs[place][$0] },
                pendingWrites: writes[place].sorted(by: PendingWrite.precedes),
                parentSends: sends[place].sorted(by: PendingWrite.precedes)
            )
        }
    }

    // MARK: - Statements

    /// Three lists of places, each by the columns of a key and the checkpoint's number on the page: of blobs, of
    /// checkpoints whose writes are wanted, and of parents whose sends are.
    private func parameters() throws -> PostgresParameters {
        var blobs: [(key: [Identifier], place: Int32)] = []
        var writes = blobs
        var sends = blobs
        for (place, checkpoint) in checkpoints.enumerated() {
            let (thread, namespace) = (checkpoint.key.thread.storedID, checkpoint.key.namespace)
            if query.parts.contains(.blobs) {
                for version in try ChannelVersion.all(in: checkpoint.document) {
                    blobs.append(([thread, namespace, version.channel, version.version], Int32(place)))
                }
            }
            if query.parts.contains(.pendingWrites) {
                writes.append(([thread, namespace, checkpoint.key.id], Int32(place)))
            }
            if query.parts.contains(.parentSends), checkpoint.sendsAreInParent, let parent = checkpoint.parentID {
                sends.append(([thread, namespace, parent], Int32(place)))
            }
        }
        var parameters = PostgresParameters()
        for (list, columns) in [(blobs, 4), (writes, 3), (sends, 3)] {
            for column in 0..<columns { parameters.add(texts: list.lazy.map { $0.key[column] }) }
            parameters.add(integers: list.lazy.map(\.place))
        }
        return parameters
    }

    private static let blobPlaces = """
        unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[])
            AS named (thread_id, checkpoint_ns, channel, version, place)
        JOIN checkpoint_blobs AS stored USING (thread_id, checkpoint_ns, channel, version)
        """
    private static let writePlaces = """
        unnest($6::text[], $7::text[], $8::text[], $9::int4[])
            AS named (thread_id, checkpoint_ns, checkpoint_id, place)
        JOIN checkpoint_writes AS stored USING (thread_id, checkpoint_ns, checkpoint_id)
        """
    private static let sendPlaces = """
        unnest($10::text[], $11::text[], $12::text[], $13::int4[])
            AS named (thread_id, checkpoint_ns, checkpoint_id, place)
        JOIN checkpoint_writes AS stored USING (thread_id, checkpoint_ns, checkpoint_id)
        WHERE stored.channel = '\(Identifier.sendsChannel)'
        """

    /// Bytes by the checkpoint's number; what is not in memory is not fetched for it.
    private static let sizes = StatementText(
        "part_sizes",
        """
        SELECT place, sum(bytes)::int8 FROM (
            SELECT place, octet_length(stored.blob) AS bytes FROM \(blobPlaces)
            UNION ALL SELECT place, octet_length(stored.blob) FROM \(writePlaces)
            UNION ALL SELECT place, octet_length(stored.blob) FROM \(sendPlaces)
        ) AS parts WHERE bytes IS NOT NULL GROUP BY place
        """
    )

    /// Rows of three kinds in the columns kind, checkpoint's number, index, four texts and a blob.
    private static let rows = StatementText(
        "parts",
        """
        SELECT 0, place, 0, stored.channel, stored.version, stored.type, NULL, stored.blob FROM \(blobPlaces)
        UNION ALL
        SELECT 1, place, stored.idx, stored.task_id, stored.channel, stored.type, stored.task_path, stored.blob
        FROM \(writePlaces)
        UNION ALL
        SELECT 2, place, stored.idx, stored.task_id, stored.channel, stored.type, stored.task_path, stored.blob
        FROM \(sendPlaces)
        """
    )
}
