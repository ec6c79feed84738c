import Checkpoints

/// The row that a value belongs to, as far as it is authenticated with it: a value in another row cannot be opened.
///
/// Not a write's task path and not a checkpoint's parent: a store keeps the first of each when the row is put again with
/// another, and pruning takes a parent away.
enum SealedPlace {
    case blob(namespace: Identifier, channel: Identifier, version: Identifier, type: String)
    case write(
        namespace: Identifier, checkpointID: Identifier, task: Identifier, index: Int32, channel: Identifier,
        type: String?)
    /// `clear` is what of the document stands in clear, and the metadata is too.
    case checkpoint(namespace: Identifier, id: Identifier, metadata: [UInt8], clear: ArraySlice<UInt8>)

    /// For a sentence.
    var kind: String {
        switch self {
        case .blob: "a blob"
        case .write: "a write"
        case .checkpoint: "a checkpoint"
        }
    }

    /// Every part with its length before it, so that no two rows have one text.
    func associatedData(_ header: [UInt8], _ thread: ThreadKey) -> [UInt8] {
        var text = LengthPrefixed()
        text.add(header)
        text.add(thread.tenant.name.text.utf8)
        text.add(thread.id.text.utf8)
        switch self {
        case .blob(let namespace, let channel, let version, let type):
            text.add("blob".utf8)
            text.add(namespace.text.utf8)
            text.add(channel.text.utf8)
            text.add(version.text.utf8)
            text.add(type.utf8)
        case .write(let namespace, let checkpointID, let task, let index, let channel, let type):
            text.add("write".utf8)
            text.add(namespace.text.utf8)
            text.add(checkpointID.text.utf8)
            text.add(task.text.utf8)
            text.add(String(index).utf8)
            text.add(channel.text.utf8)
            text.add(type == nil ? "untyped".utf8 : "typed".utf8)
            text.add((type ?? "").utf8)
        case .checkpoint(let namespace, let id, let metadata, let clear):
            text.add("checkpoint".utf8)
            text.add(namespace.text.utf8)
            text.add(id.text.utf8)
            text.add(metadata)
            text.add(clear)
        }
        return text.bytes
    }
}

/// Parts one after the other, each with its length before it.
struct LengthPrefixed {
    private(set) var bytes: [UInt8] = []

    mutating func add(_ part: some Collection<UInt8>) {
        withUnsafeBytes(of: UInt64(part.count).littleEndian) { bytes += $0 }
        bytes += part
    }
}
