import Checkpoints
import JSON

/// A checkpoint's metadata and document, which are kept in one value, exactly as they came: the number of the metadata's
/// bytes, the metadata, the document.
enum StoredCheckpoint {
    static func value(metadata: JSONText, document: JSONText) -> StoredBytes {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(metadata.bytes.count + document.bytes.count + 4)
        bytes.append(counted: metadata.bytes)
        bytes.append(contentsOf: document.bytes)
        return .alone(bytes)
    }

    /// Reads two columns: the encoding and the payload.
    ///
    /// Throws `corrupt` when they are damaged.
    static func texts(
        in row: borrowing ResultRow,
        from column: Int32
    ) throws -> (metadata: JSONText, document: JSONText) {
        let bytes = try row.stored(encoding: column, payload: column + 1).value()
        var reader = ByteReader(bytes)
        guard let metadata = reader.counted() else {
            throw StoreError(.corrupt, during: "read a checkpoint", detail: "its metadata is longer than it is")
        }
        return (JSONText(trusted: Array(metadata)), JSONText(trusted: Array(bytes[reader.position...])))
    }
}
