package import Checkpoints
import GRDB

extension SQLiteStore: ThreadTransfer {
    package func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        try await readers.threads(after: last, limit: limit)
    }

    /// Holds one of the readers, and the log, for as long as it takes.
    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        try await readers.rows(of: thread, body)
    }

    /// Blobs that may go into a chain are compared with the versions before them in the writer's turn: those are often
    /// in the same transaction.
    package func add(_ rows: [ThreadRow], to thread: ThreadKey) async throws(StoreError) {
        guard !rows.isEmpty else { return }
        let changes = Self.changes(adding: rows, to: thread)
        let effect = writer.effect({ ThreadChange(thread, .replaced) })
        try await writer.perform("add rows to a thread", telling: effect) { transaction in
            for change in changes {
                try change(transaction)
            }
        }
    }

    typealias Change = @Sendable (SQLiteWriter.Transaction) throws -> Void

    /// In the rows' order; the writes of a checkpoint that follow one another are one change.
    static func changes(adding rows: [ThreadRow], to thread: ThreadKey) -> [Change] {
        var changes: [Change] = []
        var writes: [PendingWrite] = []
        var place = CheckpointKey(thread: thread, namespace: "", id: "")
        func endWrites() {
            if !writes.isEmpty { changes.append(insertion(of: writes, for: place, .keepFirst)) }
            writes = []
        }
        for row in rows {
            switch row {
            case .blob(let namespace, let blob):
                endWrites()
                changes.append(insertion(of: blob, namespace, thread))
            case .write(let namespace, let checkpointID, let write):
                let key = CheckpointKey(thread: thread, namespace: namespace, id: checkpointID)
                if key != place { endWrites() }
                place = key
                writes.append(write)
            case .checkpoint(let checkpoint):
                endWrites()
                changes.append(insertion(of: checkpoint, StoredCheckpoint.value(of: checkpoint), []))
            }
        }
        endWrites()
        return changes
    }

    private static func insertion(of blob: ChannelBlob, _ namespace: Identifier, _ thread: ThreadKey) -> Change {
        let alone: BlobChain.Placed? = BlobChain.isChained(blob) ? nil : .alone(blob, of: thread, namespace)
        return { transaction in
            let number = try transaction.number(of: thread)
            let placed =
                try alone
                ?? BlobChain.place(blob, of: thread, number, namespace, in: transaction.snapshot)
            let key = RecentBlobs.Key(number, namespace, blob)
            guard let kept = try BlobChain.insert(placed, of: thread, key, in: transaction.snapshot) else { return }
            transaction.kept(kept, logical: blob.bytes?.count ?? 0)
            transaction.stored(RecentBlobs.Blob(type: blob.type, bytes: blob.bytes), key)
        }
    }
}

/// The threads of a store's file that is not open here: another process may have it open, or none.
///
/// Opens it read-only, takes no `StoreLock`, and makes no file but SQLite's own `PATH-wal` and `PATH-shm`.
package final class SQLiteFile: ThreadSource {
    let readers: SQLiteReaders

    /// Throws `StoreOpenError` when there is no store at `path`, or one of another layout.
    package init(path: String) throws {
        do {
            try SQLiteStore.requireCurrentLayout(path, to: "export")
            readers = try SQLiteReaders(path: path, count: 1)
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        }
    }

    package func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        try await readers.threads(after: last, limit: limit)
    }

    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        try await readers.rows(of: thread, body)
    }

    package func close() async {
        await readers.close()
    }
}

extension SQLiteReaders {
    fileprivate func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        try await perform("list threads") { try ThreadListing.keys(after: last, limit: limit, in: $0.db) }
    }

    fileprivate func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        try await perform("read a thread") { try StoredThread(thread, $0.db).forEachRow(body) }
    }
}
