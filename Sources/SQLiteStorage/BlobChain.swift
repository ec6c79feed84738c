import Checkpoints
import GRDB

/// The versions of one channel's value, each kept as what it adds to an earlier one.
///
/// LangGraph stores the whole value of a channel again at every step, and most of it is what was there before. A chain
/// begins with a version kept by itself (position 0). The version at position n is a delta from the one at n with its
/// lowest bit cleared: 1→0, 2→0, 3→2, 4→0, 5→4, 6→4, 7→6, … So reading position n takes as many steps as n has bits
/// set, at most six, and a long chain costs little more than each version's own news.
///
///     0 ◀─ 1        4 ◀─ 5
///     0 ◀──── 2 ◀─ 3    4 ◀──── 6 ◀─ 7
///     0 ◀──────────── 4
///
/// A version that has little in common with its base begins a new chain, as does the 64th. Chains never leave their
/// (thread, namespace, channel): deleting a thread deletes all there was, and nothing can be learned about another's.
enum BlobChain {
    /// Versions in a chain at most.
    private static let length = 64

    private struct Link {
        let row: Int64
        let position: Int64
        let base: Int64?
        let blob: StoredBlob
    }

    // MARK: - Writing

    /// Stores a blob unless its version is there: the first bytes stay.
    ///
    /// Costs the reading of one earlier version and one compression.
    static func insert(_ blob: ChannelBlob, thread: Int64, namespace: Identifier, in db: Database) throws {
        guard try !isStored(blob, thread, namespace, db) else { return }
        let place = try place(for: blob, thread, namespace, db)
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO blobs (thread, checkpoint_ns, channel, version, type, position, base, encoding, payload)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """
        )
        try place.blob.payload.withBytes { payload in
            try statement.run { parameters in
                parameters.bind(thread)
                parameters.bind(namespace)
                parameters.bind(blob.channel)
                parameters.bind(blob.version)
                parameters.bind(blob.type)
                parameters.bind(place.position)
                parameters.bind(place.base)
                parameters.bind(place.blob.encoding.rawValue)
                parameters.bind(inPlace: payload)
            }
        }
    }

    private static func isStored(
        _ blob: ChannelBlob,
        _ thread: Int64,
        _ namespace: Identifier,
        _ db: Database
    ) throws -> Bool {
        let statement = try db.cachedStatement(
            sql: "SELECT 1 FROM blobs WHERE thread = ? AND checkpoint_ns = ? AND channel = ? AND version = ?"
        )
        return try statement.hasRow { parameters in
            parameters.bind(thread)
            parameters.bind(namespace)
            parameters.bind(blob.channel)
            parameters.bind(blob.version)
        }
    }

    /// Where in which chain a blob goes, and what is kept of it.
    private static func place(
        for blob: ChannelBlob,
        _ thread: Int64,
        _ namespace: Identifier,
        _ db: Database
    ) throws -> (position: Int64, base: Int64?, blob: StoredBlob) {
        guard
            let bytes = blob.bytes, bytes.count >= StoredBlob.smallestFrame,
            let last = try newest(thread, namespace, blob.channel, db),
            last.position + 1 < length, !last.blob.isIncompressible(bytes)
        else { return (0, nil, .alone(blob.bytes)) }
        let position = last.position + 1
        var base = last
        // The base of a position is always the one before it, or one of that one's bases.
        while base.position > position & (position - 1), let next = base.base {
            base = try link(next, db)
        }
        guard
            // A base that is damaged must not be built on: then this version begins a new chain.
            let baseBytes = try? self.bytes(of: base, db), let delta = StoredBlob.delta(bytes, from: baseBytes)
        else { return (0, nil, .alone(bytes)) }
        return (position, base.row, delta)
    }

    /// LangGraph's versions are numbers with leading zeros: the greatest is the newest, and any other would do too.
    private static func newest(
        _ thread: Int64,
        _ namespace: Identifier,
        _ channel: Identifier,
        _ db: Database
    ) throws -> Link? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT \(linkColumns) FROM blobs
                WHERE thread = ? AND checkpoint_ns = ? AND channel = ? ORDER BY version DESC LIMIT 1
                """
        )
        return try statement.firstRow { parameters in
            parameters.bind(thread)
            parameters.bind(namespace)
            parameters.bind(channel)
        } _: { row in
            try link(row)
        }
    }

    // MARK: - Reading

    /// The blob of a channel at a version; nil when there is none.
    ///
    /// Costs a look-up, and one for each link of its chain.
    ///
    /// Throws `corrupt` when any part of it is damaged, naming the row; never returns other bytes.
    static func blob(
        _ version: ChannelVersion,
        thread: Int64,
        namespace: Identifier,
        in db: Database
    ) throws -> ChannelBlob? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT \(linkColumns), type FROM blobs
                WHERE thread = ? AND checkpoint_ns = ? AND channel = ? AND version = ?
                """
        )
        let found = try statement.firstRow { parameters in
            parameters.bind(thread)
            parameters.bind(namespace)
            parameters.bind(version.channel)
            parameters.bind(version.version)
        } _: { row in
            (link: try link(row), type: row.text(5))
        }
        guard let found else { return nil }
        return ChannelBlob(
            channel: version.channel,
            version: version.version,
            type: found.type,
            bytes: try bytes(of: found.link, db)
        )
    }

    /// The bytes of the blob in a row, which its chain is followed for.
    ///
    /// Throws `corrupt` when any part of it is damaged, naming the row; never returns other bytes.
    static func bytes(ofRow row: Int64, in db: Database) throws -> [UInt8]? {
        try bytes(of: link(row, db), db)
    }

    private static func bytes(of last: Link, _ db: Database) throws -> [UInt8]? {
        if last.blob.encoding == .plain { return last.blob.payload }
        var links = [last]
        while let base = links.last?.base {
            guard links.count <= length else { throw damaged(last.row, "its chain has no beginning") }
            links.append(try link(base, db))
        }
        var bytes: [UInt8]? = nil
        for link in links.reversed() {
            do throws(StoreError) {
                bytes = try link.blob.bytes(base: bytes ?? [])
            } catch {
                throw damaged(link.row, error.detail)
            }
        }
        return bytes
    }

    private static func link(_ row: Int64, _ db: Database) throws -> Link {
        let statement = try db.cachedStatement(sql: "SELECT \(linkColumns) FROM blobs WHERE blob = ?")
        let found = try statement.firstRow { parameters in
            parameters.bind(row)
        } _: { row in
            try link(row)
        }
        guard let found else { throw damaged(row, "it is missing") }
        return found
    }

    /// What `link` reads, in its order.
    private static let linkColumns = "blob, position, base, encoding, payload"

    private static func link(_ row: borrowing ResultRow) throws -> Link {
        Link(
            row: row.integer(0),
            position: row.integer(1),
            base: row.optionalInteger(2),
            blob: try row.storedBlob(encoding: 3, payload: 4)
        )
    }

    private static func damaged(_ row: Int64, _ detail: String) -> StoreError {
        StoreError(.corrupt, during: "read a blob", detail: "blob row \(row): \(detail)")
    }
}
