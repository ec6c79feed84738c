import Checkpoints
import JSON

/// A checkpoint's metadata and document, which are kept in one payload: one after the other, exactly as they came.
struct StoredCheckpoint {
    /// Bytes of the metadata, which come first.
    let metadataCount: Int64
    let value: StoredBytes

    init(metadata: JSONText, document: JSONText) {
        metadataCount = Int64(metadata.bytes.count)
        value = .alone(metadata.bytes + document.bytes)
    }

    /// Reads three columns: the number of metadata bytes, the encoding and the payload.
    ///
    /// Throws `corrupt` when they are damaged.
    static func texts(
        in row: borrowing ResultRow,
        from column: Int32
    ) throws -> (metadata: JSONText, document: JSONText) {
        let bytes = try row.stored(encoding: column + 1, payload: column + 2).bytes() ?? []
        guard let count = Int(exactly: row.integer(column)), (0...bytes.count).contains(count) else {
            throw StoreError(.corrupt, during: "read a checkpoint", detail: "its metadata is longer than it is")
        }
        return (JSONText(trusted: Array(bytes[..<count])), JSONText(trusted: Array(bytes[count...])))
    }
}
