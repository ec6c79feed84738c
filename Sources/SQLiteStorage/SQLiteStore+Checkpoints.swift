package import Checkpoints
import GRDB
import JSON
import Synchronization

extension SQLiteStore: DirectStore {
    /// Blobs are compressed before the writer's turn comes: here if all are short, else on a reader's thread, which
    /// compares long ones with their versions before.
    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation,
        then answer: @escaping @Sendable (Result<PutOutcome, StoreError>) -> Void
    ) {
        let operation = "put a checkpoint"
        let times = CallTimes.current
        let stored = StoredCheckpoint.value(of: checkpoint)
        @Sendable func write(_ placed: [BlobChain.Placed]) {
            let insertion = Self.insertion(of: checkpoint, stored, placed)
            guard case .head = head else {
                let effect = writer.effect({ ThreadChange(checkpoint) })
                return writer.perform(operation, telling: effect, times: times, insertion) {
                    answer($0.map { .stored })
                }
            }
            let outcome = Mutex(PutOutcome.stored)
            let effect = writer.effect({ outcome.withLock { $0 == .stored } ? ThreadChange(checkpoint) : nil })
            writer.perform(operation, telling: effect, times: times) { transaction in
                let found = try Self.checkpoint(
                    in: checkpoint.key.thread, checkpoint.key.namespace, nil, transaction.db)
                let isAllowed = head.allows(checkpoint, head: found?.checkpoint)
                outcome.withLock { $0 = isAllowed ? .stored : .refused(head: found?.checkpoint.key.id) }
                if isAllowed { try insertion(transaction) }
            } then: { result in
                answer(result.map { outcome.withLock { $0 } })
            }
        }
        guard blobs.contains(where: BlobChain.isChained) else {
            return write(blobs.map { .alone($0, of: checkpoint.key.thread, checkpoint.key.namespace) })
        }
        placing.perform(operation) { snapshot in
            let thread = checkpoint.key.thread
            let number = try thread.number(in: snapshot.db)
            return try blobs.map { blob in
                try BlobChain.place(blob, of: thread, number, checkpoint.key.namespace, in: snapshot)
            }
        } then: { result in
            switch result {
            case .success(let placed): write(placed)
            case .failure(let error): answer(.failure(error))
            }
        }
    }

    static func insertion(
        of checkpoint: Checkpoint,
        _ stored: StoredBytes,
        _ blobs: [BlobChain.Placed]
    ) -> @Sendable (SQLiteWriter.Transaction) throws -> Void {
        { transaction in
            let thread = try transaction.number(of: checkpoint.key.thread)
            try insert(checkpoint, stored, thread: thread, in: transaction.db)
            transaction.kept(stored, logical: checkpoint.document.bytes.count + checkpoint.metadata.bytes.count)
            try arrived(checkpoint.key, transaction)
            for placed in blobs {
                let key = RecentBlobs.Key(thread, checkpoint.key.namespace, placed.blob)
                guard
                    let kept = try BlobChain.insert(placed, of: checkpoint.key.thread, key, in: transaction.snapshot)
                else { continue }
                transaction.kept(kept, logical: placed.blob.bytes?.count ?? 0)
                transaction.stored(RecentBlobs.Blob(type: placed.blob.type, bytes: placed.blob.bytes), key)
            }
        }
    }

    /// Document and metadata are replaced, the parent stays as first written.
    private static func insert(
        _ checkpoint: Checkpoint,
        _ stored: StoredBytes,
        thread: Int64,
        in db: Database
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO checkpoints (
                    thread, checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                )
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (thread, checkpoint_ns, checkpoint_id)
                DO UPDATE SET encoding = excluded.encoding, payload = excluded.payload
                WHERE parent_checkpoint_id IS excluded.parent_checkpoint_id
                """
        )
        func bind(_ payload: UnsafeRawBufferPointer?, _ parameters: inout Parameters) {
            parameters.bind(thread, checkpoint.key.namespace, checkpoint.key.id)
            parameters.bind(packed: checkpoint.parentID)
            parameters.bind(stored.code)
            parameters.bind(inPlace: payload)
        }
        try stored.payload.withBytes { payload in try statement.run { bind(payload, &$0) } }
        if db.changesCount == 0 { try replace(checkpoint, stored, thread: thread, in: db) }
    }

    /// The same for a checkpoint that was stored with another parent, which it keeps.
    ///
    /// What is damaged there is replaced with all of its names: a parent that may be wrong must not become right.
    private static func replace(
        _ checkpoint: Checkpoint,
        _ stored: StoredBytes,
        thread: Int64,
        in db: Database
    ) throws {
        let place = "WHERE thread = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
        let find = try db.cachedStatement(
            sql: "SELECT parent_checkpoint_id, encoding, payload FROM checkpoints \(place)")
        let found = try find.firstRow {
            $0.bind(thread, checkpoint.key.namespace, checkpoint.key.id)
        } _: { row in
            do {
                return try StoredCheckpoint.read(checkpoint.key, in: row, from: 0).parentID
            } catch let error as StoreError where error.kind == .corrupt {
                return checkpoint.parentID
            }
        }
        guard let parent = found else {
            throw StoreError(.unexpected, during: "put a checkpoint", detail: "it has a row and is not found")
        }
        let stored = stored.renamed(by: .parent(checkpoint.parentID) ^ .parent(parent))
        let update = try db.cachedStatement(
            sql: "UPDATE checkpoints SET parent_checkpoint_id = ?, encoding = ?, payload = ? \(place)")
        try stored.payload.withBytes { payload in
            try update.run { parameters in
                parameters.bind(packed: parent)
                parameters.bind(stored.code)
                parameters.bind(inPlace: payload)
                parameters.bind(thread, checkpoint.key.namespace, checkpoint.key.id)
            }
        }
    }

    /// Writes that came before this checkpoint are found through it from now on.
    private static func arrived(_ key: CheckpointKey, _ transaction: SQLiteWriter.Transaction) throws {
        try transaction.db.delete(from: "awaited_checkpoints", at: key)
        transaction.checkpoints.add(key)
    }
}
