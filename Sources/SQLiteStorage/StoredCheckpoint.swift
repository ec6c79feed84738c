import Checkpoints
import GRDB
import JSON

/// A checkpoint's metadata and document, which are kept in one value, exactly as they came: the number of the metadata's
/// bytes, the metadata, the document.
enum StoredCheckpoint {
    static func value(of checkpoint: Checkpoint) -> StoredBytes {
        value(
            metadata: checkpoint.metadata,
            document: checkpoint.document,
            named: .checkpoint(checkpoint.key, parent: checkpoint.parentID)
        )
    }

    /// Nil for a name makes what layout 3 had.
    static func value(metadata: JSONText, document: JSONText, named name: RowName?) -> StoredBytes {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(metadata.bytes.count + document.bytes.count + 4)
        bytes.append(counted: metadata.bytes)
        bytes.append(contentsOf: document.bytes)
        return .alone(bytes, named: name)
    }

    /// Makes a checkpoint one that has no parent; nothing happens when it is not there.
    static func cutParent(of place: CheckpointPlace, thread number: Int64, _ db: Database) throws {
        let condition = "WHERE thread = ? AND checkpoint_ns = ? AND checkpoint_id = ?"
        let find = try db.cachedStatement(
            sql: "SELECT parent_checkpoint_id, encoding, payload FROM checkpoints \(condition)")
        let payload = try find.firstRow {
            $0.bind(number, place.namespace, place.id)
        } _: { row in
            row.payload(encoding: 1, payload: 2, renamedBy: .parent(row.optionalPacked(0)))
        }
        guard let payload else { return }
        let cut = try db.cachedStatement(
            sql: "UPDATE checkpoints SET parent_checkpoint_id = NULL, payload = ? \(condition)")
        try payload.withBytes { payload in
            try cut.run { parameters in
                parameters.bind(inPlace: payload)
                parameters.bind(number, place.namespace, place.id)
            }
        }
    }

    /// Reads three columns: the parent, the encoding and the payload.
    ///
    /// Throws `corrupt` when they are damaged, or not those of this checkpoint.
    static func read(_ key: CheckpointKey, in row: borrowing ResultRow, from column: Int32) throws -> Checkpoint {
        let parentID = row.optionalPacked(column)
        let stored = try row.stored(encoding: column + 1, payload: column + 2)
        let bytes = try stored.value(named: .checkpoint(key, parent: parentID))
        var reader = ByteReader(bytes)
        guard let metadata = reader.counted() else {
            throw StoreError(.corrupt, during: "read a checkpoint", detail: "its metadata is longer than it is")
        }
        return Checkpoint(
            key: key,
            parentID: parentID,
            document: JSONText(trusted: Array(bytes[reader.position...])),
            metadata: JSONText(trusted: Array(metadata))
        )
    }
}
