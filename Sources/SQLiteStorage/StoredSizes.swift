import Checkpoints
import GRDB
import JSON

/// What the rows of a thread are for, and what they take.
///
/// Blobs are not decoded: how long one is stands at the beginning of its payload. Documents and writes are, a row at a time:
/// they are small, and what of a row is the client's stands inside.
struct StoredSizes {
    private(set) var sizes = ThreadSizes()

    init(_ thread: ThreadKey, _ db: Database) throws {
        let number = try thread.number(in: db)
        if let number {
            try readBlobs(number, db)
            try readCheckpoints(thread, number, db)
        }
        try readWrites(thread, number, db)
    }

    /// Of a value that is kept as it came only the length is read.
    private mutating func readBlobs(_ number: Int64, _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, channel, version, encoding, coalesce(length(payload), 0),
                    CASE WHEN encoding & ~\(StoredBytes.namedBit) <> \(StoredBytes.Encoding.kept.rawValue)
                    THEN substr(payload, 1, \(StoredBytes.longestStart)) END
                FROM blobs WHERE thread = ?
                """
        )
        try statement.forEachRow {
            $0.bind(number)
        } _: { row in
            let version = ChannelVersion(channel: row.identifier(1), version: row.packedVersion(2))
            let stored = Int(row.integer(4))
            let start = StoredBytes(code: row.integer(3), payload: row.bytes(5) ?? [])
            sizes.blobs[ThreadOutline.BlobKey(namespace: row.identifier(0), version: version)] =
                ThreadSizes.Size(logical: start?.valueCount(payloadCount: stored) ?? stored, stored: stored)
            return true
        }
    }

    private mutating func readCheckpoints(_ thread: ThreadKey, _ number: Int64, _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM checkpoints WHERE thread = ?
                """
        )
        try statement.forEachRow {
            $0.bind(number)
        } _: { row in
            let stored = row.byteCount(4)
            let place = CheckpointPlace(namespace: row.identifier(0), id: row.identifier(1))
            let key = CheckpointKey(thread: thread, namespace: place.namespace, id: place.id)
            // What is damaged is as long as it is stored; who reads it is told.
            let checkpoint = try? StoredCheckpoint.read(key, in: row, from: 2)
            let logical = checkpoint.map { $0.document.bytes.count + $0.metadata.bytes.count }
            sizes.checkpoints[place] =
                ThreadSizes.Size(logical: logical ?? stored, stored: stored)
            return true
        }
    }

    private mutating func readWrites(_ thread: ThreadKey, _ number: Int64?, _ db: Database) throws {
        for (id, namespace) in try SQLiteStore.placesOfWrites(thread, number, db) {
            let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
            try SQLiteStore.forEachTask(of: key, in: db) { found, bytes in
                // Damaged ones count as one, as in a summary.
                let writes = try? found.get()
                let logical = writes.map { $0.reduce(0) { $0 + $1.bytes.count } }
                sizes.writes[CheckpointPlace(namespace: namespace, id: id), default: .init()] += ThreadSizes.Rows(
                    count: writes?.count ?? 1, size: .init(logical: logical ?? bytes, stored: bytes))
            }
        }
    }
}

extension StoredBytes {
    /// Of a payload as many bytes as tell how long its value is: four numbers and zstd's longest header, and some more.
    package static let longestStart = 64

    /// How many bytes the value has, of which this is the beginning of a payload of so many; nil when that is damaged.
    ///
    /// Nothing is decoded, and no base is needed.
    package func valueCount(payloadCount: Int) -> Int? {
        guard let payload else { return 0 }
        switch encoding {
        case .null: return payloadCount == Digest.count ? 0 : nil
        case .kept: return payloadCount < Digest.count ? nil : payloadCount - Digest.count
        case .checkedFrame, .checkedDelta: return payload.withUnsafeBytes { Zstandard.contentCount(of: $0) }
        case .frame: return contentCount(from: 0)
        case .splice:
            guard let (splice, start) = Splice.read(payload, baseCount: .max), let rest = contentCount(from: start)
            else { return nil }
            let (count, isTooLong) = rest.addingReportingOverflow(splice.run + splice.tail)
            return isTooLong ? nil : count
        }
    }

    /// How long the content of the frame is that begins at `start`, where its digest stands in place of its magic number.
    private func contentCount(from start: Int) -> Int? {
        guard var frame = payload?[start...], frame.count >= Digest.count else { return nil }
        frame.withUnsafeMutableBytes { $0.storeBytes(of: Zstandard.magic, as: UInt32.self) }
        return frame.withUnsafeBytes { Zstandard.contentCount(of: $0) }
    }
}
