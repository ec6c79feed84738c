import Checkpoints
import JSON

/// What pruning must know of a thread's rows, and the statements that carry a plan out.
struct StoredOutline {
    private var outline = ThreadOutline()
    private var snapshots: Set<ThreadOutline.BlobKey> = []
    private var blobBytes: [ThreadOutline.BlobKey: Int] = [:]
    /// What a checkpoint's row and its writes take.
    private var counts: [CheckpointPlace: RowCounts] = [:]
    private let thread: ThreadKey

    /// An expression for what a row of `checkpoints` takes.
    static let checkpointBytes = """
        coalesce(pg_column_size(checkpoint), 0) + coalesce(pg_column_size(metadata), 0)
            + coalesce(pg_column_size(milepost_checkpoint), 0) + coalesce(pg_column_size(milepost_metadata), 0)
        """
    /// Rows that are fetched at once at most, and the bytes that a page should have.
    private static let largestPage = 64
    private static let pageBytes = 4 << 20

    /// Holds the keys of the thread's rows, and a page of documents at a time.
    init(_ thread: ThreadKey, _ transaction: EditTransaction) throws(PostgresFailure) {
        self.thread = thread
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        var outline = ThreadOutline()
        var (snapshots, blobBytes, counts) = (snapshots, blobBytes, counts)
        let statements = [Self.blobs, Self.writes, Self.declare].map { PostgresStatement($0, parameters) }
        try transaction.run(statements) { index, result in
            for row in 0..<result.rowCount {
                if index == 0 {
                    let version = ChannelVersion(channel: result.identifier(row, 1), version: result.identifier(row, 2))
                    let key = ThreadOutline.BlobKey(namespace: result.identifier(row, 0), version: version)
                    let type = result.optionalIdentifier(row, 3)?.text ?? ""
                    let start = result.optionalBytes(row, 5)
                    outline.blobs[key] = start != nil && type != "empty"
                    blobBytes[key] = result.integer(row, 4)
                    if ChannelBlob.isDeltaSnapshot(type: type, start: start ?? []) { snapshots.insert(key) }
                } else if index == 1 {
                    let place = CheckpointPlace(namespace: result.identifier(row, 0), id: result.identifier(row, 1))
                    outline.writtenChannels[place, default: []].insert(result.identifier(row, 2))
                    counts[place, default: RowCounts()] += RowCounts(writes: 1, bytes: result.integer(row, 3))
                }
            }
        }
        var isLast = false
        var page = 8
        while !isLast {
            let fetch = StatementText("outline_fetch", "FETCH \(page) FROM outline", isPrepared: false)
            try transaction.run([PostgresStatement(fetch)]) { _, result in
                isLast = result.rowCount < page
                let bytes = (0..<result.rowCount).reduce(1) { $0 + result.byteCount($1) }
                page = max(1, min(Self.largestPage, page * Self.pageBytes / bytes, page * 2))
                for row in 0..<result.rowCount {
                    let place = CheckpointPlace(namespace: result.identifier(row, 0), id: result.identifier(row, 1))
                    counts[place, default: RowCounts()] += RowCounts(checkpoints: 1, bytes: result.integer(row, 5))
                    outline.checkpoints.append(
                        CheckpointOutline(
                            Checkpoint(
                                key: CheckpointKey(thread: thread, namespace: place.namespace, id: place.id),
                                parentID: result.optionalIdentifier(row, 2),
                                document: JSONText(trusted: result.bytes(row, 3)),
                                metadata: JSONText(trusted: result.bytes(row, 4))
                            )
                        )
                    )
                }
            }
        }
        try transaction.run([PostgresStatement(Self.close)])
        (self.outline, self.snapshots, self.blobBytes, self.counts) = (outline, snapshots, blobBytes, counts)
    }

    func plan(
        _ make: (ThreadOutline, PrunePlan.IsSnapshot) throws(StoreError) -> PrunePlan
    ) -> PrunePlan {
        do {
            return try make(outline) { snapshots.contains($0) }
        } catch {
            preconditionFailure("nothing is read for a plan: all is known")
        }
    }

    var checkpointCount: Int { outline.checkpoints.count }

    /// The same under a policy.
    func plan(_ policy: RetentionPolicy, _ settings: ThreadSettings, at now: WallTime) -> RetentionPlan {
        do {
            return try RetentionPlan(policy, of: outline, settings, at: now) { snapshots.contains($0) }
        } catch {
            preconditionFailure("nothing is read for a plan: all is known")
        }
    }

    /// The first steps of a plan, at most so many, and whether those are all.
    func steps(of plan: PrunePlan, limit: Int) -> (steps: [PruneStep], isAll: Bool) {
        let steps = plan.steps(of: outline)
        guard steps.count > limit else { return (steps, true) }
        // Better a little more than an end after which the plan would be another.
        let end = steps[(limit - 1)...].firstIndex(where: \.isClean) ?? steps.count - 1
        return (Array(steps[...end]), end == steps.count - 1)
    }

    var total: RowCounts {
        counts.values.reduce(into: counts(deleted: [], blobs: Array(blobBytes.keys))) { $0 += $1 }
    }

    func counts(of plan: PrunePlan) -> RowCounts {
        counts(deleted: Array(plan.deleted), blobs: Array(plan.blobs))
    }

    func counts(deleted: [CheckpointPlace], blobs: [ThreadOutline.BlobKey]) -> RowCounts {
        var removed = RowCounts(blobs: blobs.count)
        for place in deleted { removed += counts[place] ?? RowCounts() }
        for key in blobs { removed.bytes += blobBytes[key] ?? 0 }
        return removed
    }

    func statements(for plan: PrunePlan) -> [PostgresStatement] {
        statements(deleted: Array(plan.deleted), orphaned: plan.orphaned, blobs: Array(plan.blobs))
    }

    func statements(
        deleted: [CheckpointPlace],
        orphaned: [CheckpointPlace],
        blobs: [ThreadOutline.BlobKey]
    ) -> [PostgresStatement] {
        let deleted = deleted.sorted()
        var statements: [PostgresStatement] = []
        func add(_ text: StatementText, _ columns: [[Identifier]]) {
            guard columns[0].isEmpty == false else { return }
            var parameters = PostgresParameters()
            parameters.add(thread.storedID)
            for column in columns { parameters.add(texts: column) }
            statements.append(PostgresStatement(text, parameters))
        }
        add(Self.deleteCheckpoints, [deleted.map(\.namespace), deleted.map(\.id)])
        add(Self.cutParents, [orphaned.map(\.namespace), orphaned.map(\.id)])
        add(
            Self.deleteBlobs,
            [blobs.map(\.namespace), blobs.map(\.version.channel), blobs.map(\.version.version)]
        )
        add(Self.deleteWrites, [deleted.map(\.namespace), deleted.map(\.id)])
        return statements
    }

    // MARK: - Statements

    private static let blobs = StatementText(
        "outline_blobs",
        """
        SELECT checkpoint_ns, channel, version, type, coalesce(pg_column_size(blob), 0), substring(blob FROM 1 FOR 6)
        FROM checkpoint_blobs WHERE thread_id = $1
        """
    )
    private static let writes = StatementText(
        "outline_writes",
        """
        SELECT checkpoint_ns, checkpoint_id, channel, coalesce(pg_column_size(blob), 0)
        FROM checkpoint_writes WHERE thread_id = $1
        """
    )
    private static let declare = StatementText(
        "outline_declare",
        """
        DECLARE outline NO SCROLL CURSOR FOR
        SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, \(StoredCheckpoint.texts), \(checkpointBytes)
        FROM checkpoints WHERE thread_id = $1
        """,
        isPrepared: false
    )
    private static let close = StatementText("outline_close", "CLOSE outline", isPrepared: false)

    private static let places = "(SELECT * FROM unnest($2::text[], $3::text[]))"
    private static let deleteCheckpoints = StatementText(
        "prune_checkpoints",
        "DELETE FROM checkpoints WHERE thread_id = $1 AND (checkpoint_ns, checkpoint_id) IN \(places)"
    )
    private static let deleteWrites = StatementText(
        "prune_writes",
        "DELETE FROM checkpoint_writes WHERE thread_id = $1 AND (checkpoint_ns, checkpoint_id) IN \(places)"
    )
    private static let cutParents = StatementText(
        "prune_parents",
        """
        UPDATE checkpoints SET parent_checkpoint_id = NULL
        WHERE thread_id = $1 AND (checkpoint_ns, checkpoint_id) IN \(places)
        """
    )
    private static let deleteBlobs = StatementText(
        "prune_blobs",
        """
        DELETE FROM checkpoint_blobs WHERE thread_id = $1
            AND (checkpoint_ns, channel, version) IN (SELECT * FROM unnest($2::text[], $3::text[], $4::text[]))
        """
    )
}
