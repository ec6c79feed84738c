import Checkpoints
import JSON

/// The lines of an export, as they are written.
///
/// docs/export.md has the format. A row's text depends on nothing but the row: digests are over it.
enum ExportLine {
    /// What this version writes, and the latest it reads.
    static let format = 1

    static let rowStart = Array(#"{"row":""#.utf8)
}

extension JSONWriter {
    mutating func header(store: String, program: String) {
        raw("{\"milepost_export\":")
        integer(ExportLine.format)
        raw(",\"program\":")
        string(program)
        raw(",\"store\":")
        string(store)
        raw("}\n")
    }

    mutating func thread(_ thread: ThreadKey) {
        raw("{\"thread\":{\"tenant\":")
        string(thread.tenant.name.text)
        raw(",\"thread_id\":")
        string(thread.id.text)
        raw("}}\n")
    }

    mutating func end(_ digest: ThreadDigest) {
        raw("{\"end\":{\"rows\":")
        integer(digest.rows)
        raw(",\"xxh3\":")
        string(digest.xxh3)
        raw("}}\n")
    }

    mutating func complete(threads: Int, rows: Int) {
        raw("{\"complete\":{\"threads\":")
        integer(threads)
        raw(",\"rows\":")
        integer(rows)
        raw("}}\n")
    }

    mutating func row(_ row: ThreadRow) {
        switch row {
        case .blob(let namespace, let blob): self.blob(blob, namespace)
        case .write(let namespace, let checkpointID, let write): self.write(write, namespace, checkpointID)
        case .checkpoint(let checkpoint): self.checkpoint(checkpoint)
        }
    }

    private mutating func blob(_ blob: ChannelBlob, _ namespace: Identifier) {
        raw("{\"row\":\"blob\",\"checkpoint_ns\":")
        string(namespace.text)
        raw(",\"channel\":")
        string(blob.channel.text)
        raw(",\"version\":")
        string(blob.version.text)
        raw(",\"type\":")
        string(blob.type)
        raw(",\"blob\":")
        if let bytes = blob.bytes { base64(bytes) } else { null() }
        raw("}\n")
    }

    private mutating func write(_ write: PendingWrite, _ namespace: Identifier, _ checkpointID: Identifier) {
        raw("{\"row\":\"write\",\"checkpoint_ns\":")
        string(namespace.text)
        raw(",\"checkpoint_id\":")
        string(checkpointID.text)
        raw(",\"task_id\":")
        string(write.taskID.text)
        raw(",\"task_path\":")
        string(write.taskPath.text)
        raw(",\"idx\":")
        integer(Int(write.index))
        raw(",\"channel\":")
        string(write.channel.text)
        raw(",\"type\":")
        if let type = write.type { string(type) } else { null() }
        raw(",\"blob\":")
        base64(write.bytes)
        raw("}\n")
    }

    private mutating func checkpoint(_ checkpoint: Checkpoint) {
        raw("{\"row\":\"checkpoint\",\"checkpoint_ns\":")
        string(checkpoint.key.namespace.text)
        raw(",\"checkpoint_id\":")
        string(checkpoint.key.id.text)
        raw(",\"parent_checkpoint_id\":")
        if let parent = checkpoint.parentID { string(parent.text) } else { null() }
        raw(",\"checkpoint\":")
        oneLine(checkpoint.document)
        raw(",\"metadata\":")
        oneLine(checkpoint.metadata)
        raw("}\n")
    }

    /// A line break in valid JSON is white space between its parts: inside a string it is escaped.
    private mutating func oneLine(_ text: JSONText) {
        let start = bytes.count
        raw(text)
        for index in start..<bytes.count where bytes[index] == 0x0A || bytes[index] == 0x0D {
            bytes[index] = 0x20
        }
    }
}
