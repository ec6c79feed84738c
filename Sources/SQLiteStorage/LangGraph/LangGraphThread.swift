import CXXHash
import Checkpoints
import GRDB
import JSON
import Serde

/// A thread of a `SqliteSaver` file as one snapshot sees it.
struct LangGraphThread {
    private static let operation = "convert a checkpoint"

    private let key: ThreadKey
    private let db: Database
    private let hasTaskPath: Bool

    init(_ key: ThreadKey, _ db: Database, hasTaskPath: Bool) {
        self.key = key
        self.db = db
        self.hasTaskPath = hasTaskPath
    }

    // MARK: - Blobs

    /// Where a version of a channel is found: in the first of the checkpoints that have it.
    private struct Place {
        let namespace: Identifier
        let version: ChannelVersion
        let row: Int64
    }

    /// Reads every checkpoint twice: for which versions there are, and for their values in the order of their keys.
    ///
    /// Holds the keys in between, not the values.
    func forEachBlob(_ body: (ThreadRow) throws(StoreError) -> Void) throws {
        var places = try places()
        places.sort { left, right in
            if left.namespace != right.namespace { return left.namespace < right.namespace }
            let (left, right) = (left.version, right.version)
            return left.channel != right.channel ? left.channel < right.channel : left.version < right.version
        }
        let statement = try db.cachedStatement(
            sql: "SELECT checkpoint_ns, checkpoint_id, type, checkpoint FROM checkpoints WHERE rowid = ?"
        )
        for place in places {
            let value = try statement.firstRow { parameters in
                parameters.bind(place.row)
            } _: { row in
                let name = Name(namespace: row.identifier(0), id: row.identifier(1))
                return try converted(name, type: row.optionalText(2), bytes: row.bytes(3))
                    .values.last { Identifier($0.channel) == place.version.channel }
            }
            guard let found = value, let value = found else {
                throw StoreError(.unexpected, during: Self.operation, detail: "a value is gone in one snapshot")
            }
            let blob = ChannelBlob(
                channel: place.version.channel,
                version: place.version.version,
                type: value.type,
                bytes: value.bytes
            )
            try body(.blob(namespace: place.namespace, blob))
        }
    }

    private func places() throws -> [Place] {
        struct BlobKey: Hashable {
            let namespace: Identifier
            let version: ChannelVersion
        }
        var hashes: [BlobKey: UInt64] = [:]
        var places: [Place] = []
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, type, checkpoint, rowid FROM checkpoints
                WHERE thread_id = ? ORDER BY checkpoint_ns, checkpoint_id
                """
        )
        try statement.forEachRow { parameters in
            parameters.bind(key.id)
        } _: { row in
            let name = Name(namespace: row.identifier(0), id: row.identifier(1))
            let checkpoint = try converted(name, type: row.optionalText(2), bytes: row.bytes(3))
            for (version, value) in try versions(of: checkpoint, name) {
                let blobKey = BlobKey(namespace: name.namespace, version: version)
                let hash = value.bytes.withUnsafeBytes { xxh3_64bits($0.baseAddress, $0.count) }
                guard let first = hashes[blobKey] else {
                    hashes[blobKey] = hash
                    places.append(Place(namespace: name.namespace, version: version, row: row.integer(4)))
                    continue
                }
                // Versions of LangGraph's savers have a random part, and so are of one value, which may be serialised
                // in another order each time. Plain numbers may be of two: of a thread and of its fork.
                guard first == hash || version.version.text.contains(".") else {
                    throw name.failure("version \(version.version) of channel \(version.channel) has two values")
                }
            }
            return true
        }
        return places
    }

    /// The values of a checkpoint's blobs with the versions that its document gives them.
    private func versions(
        of checkpoint: LangGraphCheckpoint,
        _ name: Name
    ) throws -> [(version: ChannelVersion, value: LangGraphCheckpoint.Value)] {
        guard !checkpoint.values.isEmpty else { return [] }
        var versions: [Identifier: ChannelVersion] = [:]
        for version in try ChannelVersion.all(in: checkpoint.document) { versions[version.channel] = version }
        return try checkpoint.values.map { value in
            guard let version = versions[Identifier(value.channel)] else {
                throw name.failure("channel \(value.channel.quotedForOneLine) has a value and no version")
            }
            return (version, value)
        }
    }

    // MARK: - Writes and checkpoints

    func forEachWrite(_ body: (ThreadRow) throws(StoreError) -> Void) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, task_id, idx, channel, type, value,
                    \(hasTaskPath ? "task_path" : "''")
                FROM writes WHERE thread_id = ? ORDER BY checkpoint_ns, checkpoint_id, task_id, idx
                """
        )
        try statement.forEachRow { parameters in
            parameters.bind(key.id)
        } _: { row in
            let name = Name(namespace: row.identifier(0), id: row.identifier(1))
            guard let index = Int32(exactly: row.integer(3)) else {
                throw name.failure("a write's number is too large")
            }
            let write = PendingWrite(
                taskID: row.identifier(2),
                index: index,
                channel: row.identifier(4),
                type: row.optionalText(5),
                bytes: row.bytes(6) ?? [],
                taskPath: row.identifier(7)
            )
            try body(.write(namespace: name.namespace, checkpointID: name.id, write))
            return true
        }
    }

    func forEachCheckpoint(_ body: (ThreadRow) throws(StoreError) -> Void) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT checkpoint_ns, checkpoint_id, type, checkpoint, parent_checkpoint_id, metadata FROM checkpoints
                WHERE thread_id = ? ORDER BY checkpoint_ns, checkpoint_id
                """
        )
        try statement.forEachRow { parameters in
            parameters.bind(key.id)
        } _: { row in
            let name = Name(namespace: row.identifier(0), id: row.identifier(1))
            let parent = row.optionalIdentifier(4)
            let checkpoint = Checkpoint(
                key: CheckpointKey(thread: key, namespace: name.namespace, id: name.id),
                // The saver takes an empty one for none.
                parentID: parent?.isEmpty == true ? nil : parent,
                document: try converted(name, type: row.optionalText(2), bytes: row.bytes(3)).document,
                metadata: try metadata(row.bytes(5), name)
            )
            try body(.checkpoint(checkpoint))
            return true
        }
    }

    private func metadata(_ bytes: [UInt8]?, _ name: Name) throws(StoreError) -> JSONText {
        guard let bytes else { return .emptyObject }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw name.failure("its metadata is not JSON: \(error)")
        }
        guard case .object = value else { throw name.failure("its metadata is not an object") }
        return JSONText(trusted: bytes)
    }

    // MARK: - Converting

    /// Which checkpoint of the thread.
    private struct Name {
        let namespace: Identifier
        let id: Identifier

        func failure(_ detail: String) -> StoreError {
            let place = namespace.isEmpty ? "" : " in namespace \(namespace.text.quotedForOneLine)"
            return StoreError(
                .corrupt,
                during: LangGraphThread.operation,
                detail: "checkpoint \(id.text.quotedForOneLine)\(place): \(detail)"
            )
        }
    }

    private func converted(
        _ name: Name,
        type: String?,
        bytes: [UInt8]?
    ) throws(StoreError) -> LangGraphCheckpoint {
        do throws(LangGraphCheckpoint.Failure) {
            return try LangGraphCheckpoint(type: type, bytes: bytes ?? [])
        } catch {
            throw name.failure(error.detail)
        }
    }
}
