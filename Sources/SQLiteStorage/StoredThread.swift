import Checkpoints
import GRDB

/// A thread as one snapshot sees it, read in the order in which threads move.
struct StoredThread {
    private let key: ThreadKey
    /// Nil when it has nothing but writes.
    private let number: Int64?
    private let db: Database

    init(_ key: ThreadKey, _ db: Database) throws {
        self.key = key
        self.db = db
        number = try key.number(in: db)
    }

    func forEachRow(_ body: (ThreadRow) throws(StoreError) -> Void) throws {
        if let number { try forEachBlob(number, body) }
        try forEachWrite(body)
        if let number { try forEachCheckpoint(number, body) }
    }

    /// Channels lie in the right order; their versions are packed, and are put in order here, a channel at a time.
    private func forEachBlob(_ number: Int64, _ body: (ThreadRow) throws(StoreError) -> Void) throws {
        for (namespace, channel) in try channels(number) {
            var reader = ChainReader(RowName.Channel(key, namespace, channel))
            for (version, row) in try versions(of: channel, namespace, number) {
                let found = try reader.read(row, version, in: db)
                let blob = ChannelBlob(channel: channel, version: version, type: found.type, bytes: found.bytes)
                try body(.blob(namespace: namespace, blob))
            }
        }
    }

    private func channels(_ number: Int64) throws -> [(namespace: Identifier, channel: Identifier)] {
        let statement = try db.cachedStatement(
            sql: "SELECT DISTINCT checkpoint_ns, channel FROM blobs WHERE thread = ? ORDER BY checkpoint_ns, channel"
        )
        var channels: [(Identifier, Identifier)] = []
        try statement.forEachRow { parameters in
            parameters.bind(number)
        } _: { row in
            channels.append((row.identifier(0), row.identifier(1)))
            return true
        }
        return channels
    }

    private func versions(
        of channel: Identifier,
        _ namespace: Identifier,
        _ number: Int64
    ) throws -> [(version: Identifier, row: Int64)] {
        let statement = try db.cachedStatement(
            sql: """
                SELECT version, blob FROM blobs
                WHERE thread = ? AND checkpoint_ns = ? AND channel = ? ORDER BY version
                """
        )
        var versions: [(version: Identifier, row: Int64)] = []
        try statement.forEachRow { parameters in
            parameters.bind(number)
            parameters.bind(namespace)
            parameters.bind(channel)
        } _: { row in
            versions.append((row.packedVersion(0), row.integer(1)))
            return true
        }
        versions.sort { $0.version < $1.version }
        return versions
    }

    private func forEachWrite(_ body: (ThreadRow) throws(StoreError) -> Void) throws {
        var places = try SQLiteStore.placesOfWrites(key, number, db)
        places.sort { left, right in
            left.namespace != right.namespace ? left.namespace < right.namespace : left.id < right.id
        }
        for place in places {
            let checkpoint = CheckpointKey(thread: key, namespace: place.namespace, id: place.id)
            let writes = try SQLiteStore.pendingWrites(of: checkpoint, in: db).sorted { left, right in
                left.taskID != right.taskID ? left.taskID < right.taskID : left.index < right.index
            }
            for write in writes {
                try body(.write(namespace: place.namespace, checkpointID: place.id, write))
            }
        }
    }

    private func forEachCheckpoint(_ number: Int64, _ body: (ThreadRow) throws(StoreError) -> Void) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, parent_checkpoint_id, encoding, payload
                FROM checkpoints WHERE thread = ? ORDER BY checkpoint_ns, checkpoint_id
                """
        )
        try statement.forEachRow { parameters in
            parameters.bind(number)
        } _: { row in
            let place = CheckpointKey(thread: key, namespace: row.identifier(0), id: row.identifier(1))
            try body(.checkpoint(StoredCheckpoint.read(place, in: row, from: 2)))
            return true
        }
    }
}
