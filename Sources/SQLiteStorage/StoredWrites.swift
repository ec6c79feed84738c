package import Checkpoints

/// The writes of one task, which are kept in one row: they come together, are read together, and have much in common.
///
///     writes   ┌ index ┬ channel ┬ type ┬ task path ┬ bytes ┐┌ index ┬ …
///
/// The index is a zigzag number; the others have their length before them, a type that is nil has 0 and any other one
/// more than its length. docs/storage.md has the whole row.
package enum StoredWrites {
    /// Bytes that the writes of one task may come to over all requests: 512 MiB.
    ///
    /// They are one value, which is read and written whole.
    package static let limit = 512 << 20

    package static func encoded(_ writes: [PendingWrite]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(writes.reduce(0) { $0 + $1.bytes.count + 96 })
        for write in writes {
            bytes.append(number: Int(UInt32(bitPattern: write.index << 1 ^ write.index >> 31)))
            bytes.append(counted: write.channel.text.utf8)
            bytes.append(number: write.type.map { $0.utf8.count + 1 } ?? 0)
            bytes.append(contentsOf: (write.type ?? "").utf8)
            bytes.append(counted: write.taskPath.text.utf8)
            bytes.append(counted: write.bytes)
        }
        return bytes
    }

    /// Throws `corrupt` for what `encoded` does not make.
    package static func decoded(_ bytes: [UInt8], task: Identifier) throws(StoreError) -> [PendingWrite] {
        var reader = ByteReader(bytes)
        var writes: [PendingWrite] = []
        while !reader.isAtEnd {
            guard let write = write(&reader, task) else {
                throw StoreError(.corrupt, during: "read writes", detail: "a task's writes end in the middle")
            }
            writes.append(write)
        }
        return writes
    }

    private static func write(_ reader: inout ByteReader, _ task: Identifier) -> PendingWrite? {
        guard
            let zigzag = reader.number().flatMap({ UInt32(exactly: $0) }),
            let channel = reader.counted(),
            let typeCount = reader.number(),
            let type = typeCount == 0 ? [] : reader.bytes(typeCount - 1),
            let taskPath = reader.counted(),
            let bytes = reader.counted()
        else { return nil }
        return PendingWrite(
            taskID: task,
            index: Int32(bitPattern: zigzag >> 1) ^ -Int32(bitPattern: zigzag & 1),
            channel: Identifier(String(decoding: channel, as: UTF8.self)),
            type: typeCount == 0 ? nil : String(decoding: type, as: UTF8.self),
            bytes: Array(bytes),
            taskPath: Identifier(String(decoding: taskPath, as: UTF8.self))
        )
    }

    /// The writes of a task after a request: those it had, then new ones, by the rules of `CheckpointStore.putWrites`.
    package static func merged(
        _ stored: [PendingWrite],
        with writes: [PendingWrite],
        onConflict policy: WriteConflictPolicy
    ) -> [PendingWrite] {
        var result = stored
        var places: [Int32: Int] = [:]
        for (place, write) in stored.enumerated() { places[write.index] = place }
        for write in writes {
            guard let place = places[write.index] else {
                places[write.index] = result.count
                result.append(write)
                continue
            }
            guard policy == .replace else { continue }
            var replacement = write
            replacement.taskPath = result[place].taskPath
            result[place] = replacement
        }
        return result
    }
}
