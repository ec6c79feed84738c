import Checkpoints
import GRDB

/// What pruning must know of a thread's rows.
struct StoredOutline {
    struct Blob {
        let thread: ThreadKey
        let key: ThreadOutline.BlobKey
        let row: Int64
        let position: Int64
        let base: Int64?
        /// Of the payload.
        let bytes: Int

        var channelName: RowName.Channel { RowName.Channel(thread, key.namespace, key.version.channel) }

        /// What it holds: see `BlobChain.read`.
        func read(_ db: Database) throws -> RecentBlobs.Blob {
            try BlobChain.read(row, of: channelName, key.version.version, in: db)
        }
    }

    private(set) var outline = ThreadOutline()
    private(set) var blobs: [Blob] = []
    /// What a checkpoint's row takes, and how many writes follow it in rows of how many bytes.
    private(set) var counts: [CheckpointPlace: RowCounts] = [:]

    /// Holds the keys of the thread's rows, and a document at a time.
    init(_ thread: ThreadKey, _ number: Int64?, _ db: Database) throws {
        if let number { try readBlobs(thread, number, db) }
        let unreadable = try readWrites(thread, number, db)
        if let number { try readCheckpoints(thread, number, unreadable, db) }
    }

    /// Whether a blob is the whole value of a channel that otherwise keeps its writes: see `PrunePlan`.
    func isSnapshot(_ db: Database) -> PrunePlan.IsSnapshot {
        let rows = Dictionary(blobs.map { ($0.key, $0) }) { first, _ in first }
        return { key throws(StoreError) in
            guard let row = rows[key] else { return false }
            do {
                let blob = try row.read(db)
                return ChannelBlob.isDeltaSnapshot(type: blob.type, start: blob.bytes ?? [])
            } catch {
                let error = StoreError(error, during: "look at a thread")
                // What cannot be read may be one.
                guard error.kind == .corrupt else { throw error }
                return true
            }
        }
    }

    var total: RowCounts {
        var total = RowCounts(blobs: blobs.count, bytes: blobs.reduce(0) { $0 + $1.bytes })
        for counts in counts.values { total += counts }
        return total
    }

    private mutating func readBlobs(_ thread: ThreadKey, _ number: Int64, _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT blob, checkpoint_ns, channel, version, base, length(payload), type, position, encoding
                FROM blobs WHERE thread = ? ORDER BY blob
                """
        )
        try statement.forEachRow {
            $0.bind(number)
        } _: { row in
            let version = ChannelVersion(channel: row.identifier(2), version: row.packedVersion(3))
            let key = ThreadOutline.BlobKey(namespace: row.identifier(1), version: version)
            let bytes = row.optionalInteger(5)
            blobs.append(
                Blob(
                    thread: thread,
                    key: key,
                    row: row.integer(0),
                    position: row.integer(7),
                    base: row.optionalInteger(4),
                    bytes: Int(bytes ?? 0)
                )
            )
            let isNull = bytes == nil || row.integer(8) == StoredBytes.nullCode
            outline.blobs[key] = !isNull && row.text(6) != "empty"
            return true
        }
    }

    /// Returns the places where something cannot be read.
    private mutating func readWrites(
        _ thread: ThreadKey,
        _ number: Int64?,
        _ db: Database
    ) throws -> Set<CheckpointPlace> {
        var unreadable: Set<CheckpointPlace> = []
        for (id, namespace) in try SQLiteStore.placesOfWrites(thread, number, db) {
            let place = CheckpointPlace(namespace: namespace, id: id)
            let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
            try SQLiteStore.forEachTask(of: key, in: db) { found, bytes in
                counts[place, default: RowCounts()].bytes += bytes
                do {
                    let writes = try found.get()
                    counts[place, default: RowCounts()].writes += writes.count
                    outline.writtenChannels[place, default: []].formUnion(writes.map(\.channel))
                } catch let error as StoreError where error.kind == .corrupt {
                    unreadable.insert(place)
                }
            }
        }
        return unreadable
    }

    private mutating func readCheckpoints(
        _ thread: ThreadKey,
        _ number: Int64,
        _ unreadable: Set<CheckpointPlace>,
        _ db: Database
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM checkpoints WHERE thread = ?
                """
        )
        try statement.forEachRow {
            $0.bind(number)
        } _: { row in
            let place = CheckpointPlace(namespace: row.identifier(0), id: row.identifier(1))
            let parentID = row.optionalPacked(2)
            counts[place, default: RowCounts()] += RowCounts(checkpoints: 1, bytes: row.byteCount(4))
            do {
                let key = CheckpointKey(thread: thread, namespace: place.namespace, id: place.id)
                let checkpoint = try StoredCheckpoint.read(key, in: row, from: 2)
                outline.checkpoints.append(
                    unreadable.contains(place)
                        ? CheckpointOutline(unreadable: place, parentID: parentID) : CheckpointOutline(checkpoint)
                )
            } catch let error as StoreError where error.kind == .corrupt {
                outline.checkpoints.append(CheckpointOutline(unreadable: place, parentID: parentID))
            }
            return true
        }
    }
}
