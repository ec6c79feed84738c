import Checkpoints
import GRDB

/// The versions of one channel's value, each kept as what it adds to an earlier one.
///
/// LangGraph stores the whole value of a channel again at every step, and most of it is what was there before. A chain
/// begins with a version kept by itself (position 0). The version at position n is kept as its difference from the one at
/// n less the greatest power of four that divides n: 1→0, 2→1, 3→2, 4→0, 5→4, … 8→4, … 16→0. So news is written a few times
/// in all, and reading position n takes as many steps as the sum of n's digits to the base of four: at most fifteen, seven or eight
/// on average.
///
///     0 ◀ 1 ◀ 2 ◀ 3    4 ◀ 5 ◀ 6 ◀ 7    8 ◀ 9 …
///     0 ◀───────────── 4 ◀───────────── 8
///
/// A version that has little in common with its base begins a new chain, as does the 1,024th. Chains never leave their
/// (thread, namespace, channel): deleting a thread deletes all there was, and nothing can be learned about another's.
enum BlobChain {
    /// Versions in a chain at most.
    private static let length: Int64 = 1_024
    private static let radix: Int64 = 4
    /// Links that are followed at most.
    ///
    /// A chain has sixteen, one of layout 2 seven, and one begun there and continued no more than both: only a damaged
    /// one has more.
    private static let longestPath = 64
    /// Values shorter than this are kept by themselves: they do not grow with a conversation.
    static let shortestChained = 2_048

    private struct Link {
        let row: Int64
        let position: Int64
        let base: Int64?
        let version: Identifier
    }

    // MARK: - Writing

    /// Where a new version goes, and what is kept of it.
    struct Placed: Sendable {
        /// What a place depends on: it is right while the channel's newest row is this one of this thread.
        ///
        /// A row's number alone would not do: those of a deleted thread are used again.
        struct Newest: Equatable {
            let thread: Int64
            let row: Int64
        }

        let blob: ChannelBlob
        let stored: StoredBytes
        let position: Int64
        let base: Int64?
        /// Nil for the first of a channel.
        let newest: Newest?
        /// The snapshot that it was chosen in: rows that it saw may be gone since.
        var snapshot = 0

        /// By itself, at the beginning of a chain.
        static func alone(
            _ blob: ChannelBlob,
            of thread: ThreadKey,
            _ namespace: Identifier,
            newest: Newest? = nil
        ) -> Placed {
            let name = RowName.Channel(thread, namespace, blob.channel).version(blob.version, type: blob.type)
            return Placed(
                blob: blob,
                stored: .alone(blob.bytes, named: name),
                position: 0,
                base: nil,
                newest: newest
            )
        }
    }

    /// What is sealed has nothing in common with anything.
    static func isChained(_ blob: ChannelBlob) -> Bool {
        guard let bytes = blob.bytes, bytes.count >= shortestChained else { return false }
        return !SealedValue.isSealed(bytes)
    }

    /// Chooses a place: nothing is changed.
    ///
    /// Costs finding the channel's newest version and its base, and a comparison with that. The thread's number is nil
    /// when nothing is stored for it yet.
    static func place(
        _ blob: ChannelBlob,
        of thread: ThreadKey,
        _ number: Int64?,
        _ namespace: Identifier,
        in snapshot: Snapshot
    ) throws -> Placed {
        guard
            let bytes = blob.bytes, isChained(blob), let number,
            let last = try newest(number, namespace, blob.channel, snapshot.db)
        else { return .alone(blob, of: thread, namespace) }
        let channel = RowName.Channel(thread, namespace, blob.channel)
        let newest = Placed.Newest(thread: number, row: last.row)
        let position = last.position &+ 1
        do {
            guard
                (1..<length).contains(position),
                let base = try base(
                    of: position,
                    after: last,
                    RecentBlobs.Key(number, namespace, blob),
                    channel,
                    snapshot
                ),
                let stored = StoredBytes.splice(
                    bytes, from: base.bytes, named: channel.version(blob.version, type: blob.type))
            else { return .alone(blob, of: thread, namespace, newest: newest) }
            return Placed(
                blob: blob,
                stored: stored,
                position: position,
                base: base.row,
                newest: newest,
                snapshot: snapshot.commit
            )
        } catch let error where StoreError(error, during: "put a checkpoint").kind == .corrupt {
            // A chain that is damaged must not be built on: this version begins a new one.
            return .alone(blob, of: thread, namespace, newest: newest)
        }
    }

    /// The base of a position is always the one before it, or on that one's way to the beginning.
    ///
    /// Nil when its value is null. `key` is that of the new version.
    private static func base(
        of position: Int64,
        after last: Link,
        _ key: RecentBlobs.Key,
        _ channel: RowName.Channel,
        _ snapshot: Snapshot
    ) throws -> (row: Int64, bytes: [UInt8])? {
        var base = last
        while base.position > position - step(to: position), let row = base.base {
            let next = try link(row, of: key.channel, key.thread, key.namespace, snapshot.db)
            guard next.position < base.position else { throw damaged(base.row, "its base comes after it") }
            base = next
        }
        let version = ChannelVersion(channel: key.channel, version: base.version)
        let found = try snapshot.blob(RecentBlobs.Key(key.thread, key.namespace, version)) {
            try read(base.row, of: channel, base.version, in: snapshot.db)
        }
        return found?.bytes.map { (base.row, $0) }
    }

    /// The greatest power of the radix that divides a position.
    private static func step(to position: Int64) -> Int64 {
        var step: Int64 = 1
        while position.isMultiple(of: step * radix) { step *= radix }
        return step
    }

    /// Stores a blob and returns what is kept of it, unless its version is there: the first bytes stay, and nil is returned.
    ///
    /// A place that has become wrong, because another version came first, is chosen again.
    static func insert(
        _ placed: Placed,
        of thread: ThreadKey,
        _ key: RecentBlobs.Key,
        in snapshot: Snapshot
    ) throws -> StoredBytes? {
        let db = snapshot.db
        var placed = placed
        if isChained(placed.blob) {
            let row = try newest(key.thread, key.namespace, key.channel, db)?.row
            if row.map({ Placed.Newest(thread: key.thread, row: $0) }) != placed.newest
                || placed.base != nil && snapshot.isCut(key.thread, since: placed.snapshot)
            {
                placed = try place(placed.blob, of: thread, key.thread, key.namespace, in: snapshot)
            }
        }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO blobs (thread, checkpoint_ns, channel, version, type, position, base, encoding, payload)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT DO NOTHING
                """
        )
        try placed.stored.payload.withBytes { payload in
            try statement.run { parameters in
                parameters.bind(key.thread)
                parameters.bind(key.namespace)
                parameters.bind(key.channel)
                parameters.bind(packedVersion: key.version)
                parameters.bind(placed.blob.type)
                parameters.bind(placed.position)
                parameters.bind(placed.base)
                parameters.bind(placed.stored.code)
                parameters.bind(inPlace: payload)
            }
        }
        return db.changesCount > 0 ? placed.stored : nil
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
            link(row)
        }
    }

    /// Throws `corrupt` when the row is not of this channel.
    private static func link(
        _ row: Int64,
        of channel: Identifier,
        _ thread: Int64,
        _ namespace: Identifier,
        _ db: Database
    ) throws -> Link {
        let statement = try db.cachedStatement(
            sql: """
                SELECT \(linkColumns) FROM blobs
                WHERE blob = ? AND thread = ? AND checkpoint_ns = ? AND channel = ?
                """
        )
        let found = try statement.firstRow { parameters in
            parameters.bind(row)
            parameters.bind(thread)
            parameters.bind(namespace)
            parameters.bind(channel)
        } _: { row in
            link(row)
        }
        guard let found else { throw damaged(row, "it is missing") }
        return found
    }

    /// What `link` reads, in its order.
    private static let linkColumns = "blob, position, base, version"

    private static func link(_ row: borrowing ResultRow) -> Link {
        Link(
            row: row.integer(0),
            position: row.integer(1),
            base: row.optionalInteger(2),
            version: row.packedVersion(3)
        )
    }

    // MARK: - Reading

    /// The blob of a channel at a version; nil when there is none.
    ///
    /// Costs nothing but a look into memory if it was put or read lately; else a look-up, and one for each link of its
    /// chain.
    ///
    /// Throws `corrupt` when any part of it is damaged, naming the row; never returns other bytes.
    static func blob(
        _ version: ChannelVersion,
        of thread: ThreadKey,
        _ number: Int64,
        _ namespace: Identifier,
        in snapshot: Snapshot
    ) throws -> ChannelBlob? {
        let found = try snapshot.blob(RecentBlobs.Key(number, namespace, version)) {
            let find = try snapshot.db.cachedStatement(
                sql: "SELECT blob FROM blobs WHERE thread = ? AND checkpoint_ns = ? AND channel = ? AND version = ?"
            )
            let row = try find.firstRow { parameters in
                parameters.bind(number)
                parameters.bind(namespace)
                parameters.bind(version.channel)
                parameters.bind(packedVersion: version.version)
            } _: { row in
                row.integer(0)
            }
            let channel = RowName.Channel(thread, namespace, version.channel)
            return try row.map { try read($0, of: channel, version.version, in: snapshot.db) }
        }
        return found.map { found in
            ChannelBlob(channel: version.channel, version: version.version, type: found.type, bytes: found.bytes)
        }
    }

    /// The blob in the row of a version, read from the file, whose chain is followed to its beginning.
    ///
    /// Throws `corrupt` when any part of it is damaged, naming the row; never returns other bytes.
    static func read(
        _ row: Int64,
        of channel: RowName.Channel,
        _ version: Identifier,
        in db: Database
    ) throws -> RecentBlobs.Blob {
        let statement = try db.cachedStatement(
            sql: "SELECT base, encoding, payload, type, version FROM blobs WHERE blob = ?")
        var type: String?
        var links: [(row: Int64, stored: StoredBytes, name: RowName)] = []
        var next: Int64? = row
        while let current = next {
            guard links.count < longestPath else { throw damaged(row, "its chain has no beginning") }
            next =
                try statement.firstRow { parameters in
                    parameters.bind(current)
                } _: { found in
                    let stored = try found.stored(encoding: 1, payload: 2)
                    // Of the versions on the way it does not matter which they are.
                    let name = channel.version(
                        links.isEmpty ? version : found.packedVersion(4), type: found.text(3))
                    links.append((current, stored, name))
                    if type == nil { type = found.text(3) }
                    return stored.encoding.needsBase ? found.optionalInteger(0) : nil
                } ?? nil
            guard links.last?.row == current else { throw damaged(current, "it is missing") }
        }
        var bytes: [UInt8]?
        for link in links.reversed() {
            do throws(StoreError) {
                bytes = try link.stored.bytes(base: bytes ?? [], named: link.name)
            } catch {
                throw damaged(link.row, error.detail)
            }
        }
        return RecentBlobs.Blob(type: type ?? "", bytes: bytes)
    }

    private static func damaged(_ row: Int64, _ detail: String) -> StoreError {
        StoreError(.corrupt, during: "read a blob", detail: "blob row \(row): \(detail)")
    }
}
