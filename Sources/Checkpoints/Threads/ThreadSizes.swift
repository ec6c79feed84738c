/// How many bytes each row of a thread is for, and how many it takes.
package struct ThreadSizes: Hashable, Sendable {
    package struct Size: Hashable, Sendable {
        /// Bytes that the client gave, without keys; of a row that is damaged, those that are stored.
        package var logical: Int
        /// What `RowCounts.bytes` counts: bytes after compression, and of a version that is kept as a difference those of
        /// the difference.
        package var stored: Int

        package init(logical: Int = 0, stored: Int = 0) {
            self.logical = logical
            self.stored = stored
        }

        package static func += (left: inout Size, right: Size) {
            left.logical += right.logical
            left.stored += right.stored
        }
    }

    /// Several rows together.
    package struct Rows: Hashable, Sendable {
        package var count: Int
        package var size: Size

        package init(count: Int = 0, size: Size = Size()) {
            self.count = count
            self.size = size
        }

        package static func += (left: inout Rows, right: Rows) {
            left.count += right.count
            left.size += right.size
        }
    }

    /// Documents with their metadata.
    package var checkpoints: [CheckpointPlace: Size] = [:]
    package var blobs: [ThreadOutline.BlobKey: Size] = [:]
    /// By the checkpoint they follow, which need not be there.
    package var writes: [CheckpointPlace: Rows] = [:]

    package init() {}

    /// Nil when there is nothing.
    package var unlessEmpty: ThreadSizes? {
        checkpoints.isEmpty && blobs.isEmpty && writes.isEmpty ? nil : self
    }
}
