package import Checkpoints
import GRDB
import JSON

extension SQLiteStore {
    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    ) {
        readers.perform("read a checkpoint") { snapshot in
            guard let (number, checkpoint) = try Self.checkpoint(in: thread, namespace, id, snapshot.db) else {
                return nil
            }
            return try Self.tuple(checkpoint, thread: number, parts, in: snapshot)
        } then: {
            answer($0)
        }
    }

    package func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void
    ) {
        readers.perform("list checkpoints") { snapshot in
            try Listing(query, snapshot).page()
        } then: {
            answer($0)
        }
    }

    package func history(
        of channels: [Identifier],
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> [ChannelHistory] {
        try await readers.perform("read a history") { snapshot in
            var walk = HistoryWalk(channels)
            var seen: Set<Identifier> = []
            var next = try Self.checkpoint(in: thread, namespace, id, snapshot.db)?.checkpoint.parentID
            while let current = next, !walk.openChannels.isEmpty, seen.insert(current).inserted,
                let (number, ancestor) = try Self.checkpoint(in: thread, namespace, current, snapshot.db)
            {
                let open = walk.openChannels
                let blobs = try ChannelVersion.all(in: ancestor.document).filter { open.contains($0.channel) }
                    .compactMap { try BlobChain.blob($0, of: thread, number, namespace, in: snapshot) }
                try walk.add(ancestor, try Self.pendingWrites(of: ancestor.key, in: snapshot.db), blobs)
                next = ancestor.parentID
            }
            return walk.histories
        }
    }

    /// One look-up for each channel that the document names, in memory or by key; none for a channel it does not.
    static func tuple(
        _ checkpoint: Checkpoint,
        thread number: Int64,
        _ parts: TupleParts,
        in snapshot: Snapshot
    ) throws -> CheckpointTuple {
        let key = checkpoint.key
        var blobs: [ChannelBlob] = []
        if parts.contains(.blobs) {
            blobs = try ChannelVersion.all(in: checkpoint.document).compactMap { pair in
                try BlobChain.blob(pair, of: key.thread, number, key.namespace, in: snapshot)
            }
        }
        var sends: [PendingWrite] = []
        if parts.contains(.parentSends), checkpoint.sendsAreInParent, let parentID = checkpoint.parentID {
            let parent = CheckpointKey(thread: key.thread, namespace: key.namespace, id: parentID)
            sends = try pendingWrites(of: parent, in: snapshot.db).filter { $0.channel == .sendsChannel }
        }
        return CheckpointTuple(
            checkpoint: checkpoint,
            blobs: blobs,
            pendingWrites: parts.contains(.pendingWrites) ? try pendingWrites(of: key, in: snapshot.db) : [],
            parentSends: sends
        )
    }

    /// The checkpoint, with the number of its thread.
    static func checkpoint(
        in thread: ThreadKey,
        _ namespace: Identifier,
        _ id: Identifier?,
        _ db: Database
    ) throws -> (thread: Int64, checkpoint: Checkpoint)? {
        try db.cachedStatement(sql: id == nil ? newestCheckpoint : namedCheckpoint).firstRow { parameters in
            parameters.bind(thread.tenant.name)
            parameters.bind(packed: thread.id)
            parameters.bind(namespace)
            if let id { parameters.bind(id) }
        } _: { row in
            let key = CheckpointKey(thread: thread, namespace: namespace, id: row.identifier(1))
            return (row.integer(0), try StoredCheckpoint.read(key, in: row, from: 2))
        }
    }

    private static let namespaceOfThread = """
        SELECT thread, checkpoint_id, parent_checkpoint_id, encoding, payload
        FROM threads CROSS JOIN checkpoints USING (thread)
        WHERE tenant = ? AND thread_id = ? AND checkpoint_ns = ?
        """
    private static let newestCheckpoint = namespaceOfThread + " ORDER BY checkpoint_id DESC LIMIT 1"
    private static let namedCheckpoint = namespaceOfThread + " AND checkpoint_id = ?"
}
