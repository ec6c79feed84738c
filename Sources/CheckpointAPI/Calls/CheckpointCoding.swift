import Checkpoints
import JSON

// The shapes that the calls answer with. Documents and metadata go out as they came in; blobs are encoded straight
// into the answer.
extension JSONWriter {
    static func tupleOrNull(_ tuple: CheckpointTuple?) -> JSONWriter {
        if let tuple { return .tuple(tuple) }
        var writer = JSONWriter()
        writer.null()
        return writer
    }

    static func key(of checkpoint: Checkpoint) -> JSONWriter {
        var writer = JSONWriter()
        writer.raw("{")
        writer.key(checkpoint.key)
        writer.raw("}")
        return writer
    }

    private static func tuple(_ tuple: CheckpointTuple) -> JSONWriter {
        let blobBytes = tuple.blobs.reduce(0) { $0 + ($1.bytes?.count ?? 0) }
        let writeBytes = tuple.pendingWrites.reduce(0) { $0 + $1.bytes.count }
        let parts = 1 + tuple.blobs.count + tuple.pendingWrites.count
        var writer = JSONWriter(
            reservingCapacity: tuple.checkpoint.document.bytes.count + tuple.checkpoint.metadata.bytes.count
                + (blobBytes + writeBytes) * 4 / 3 + parts * 256
        )
        writer.raw("{")
        writer.members(of: tuple.checkpoint)
        writer.raw(",\"blobs\":")
        writer.array(tuple.blobs) { $0.blob($1) }
        writer.raw(",\"pending_writes\":")
        writer.array(tuple.pendingWrites) { $0.write($1) }
        writer.raw("}")
        return writer
    }

    static func list(_ checkpoints: [Checkpoint]) -> JSONWriter {
        let bytes = checkpoints.reduce(0) { $0 + $1.document.bytes.count + $1.metadata.bytes.count + 256 }
        var writer = JSONWriter(reservingCapacity: bytes)
        writer.array(checkpoints) { writer, checkpoint in
            writer.raw("{")
            writer.members(of: checkpoint)
            writer.raw("}")
        }
        return writer
    }

    private mutating func array<Element>(_ elements: [Element], _ write: (inout JSONWriter, Element) -> Void) {
        raw("[")
        for (index, element) in elements.enumerated() {
            if index > 0 { raw(",") }
            write(&self, element)
        }
        raw("]")
    }

    private mutating func key(_ key: CheckpointKey) {
        raw("\"thread_id\":")
        string(key.thread.id.text)
        raw(",\"checkpoint_ns\":")
        string(key.namespace.text)
        raw(",\"checkpoint_id\":")
        string(key.id.text)
    }

    private mutating func members(of checkpoint: Checkpoint) {
        key(checkpoint.key)
        raw(",\"parent_checkpoint_id\":")
        optionalString(checkpoint.parentID?.text)
        raw(",\"checkpoint\":")
        raw(checkpoint.document)
        raw(",\"metadata\":")
        raw(checkpoint.metadata)
    }

    private mutating func blob(_ blob: ChannelBlob) {
        raw("{\"channel\":")
        string(blob.channel.text)
        raw(",\"version\":")
        string(blob.version.text)
        raw(",\"type\":")
        string(blob.type)
        raw(",\"blob\":")
        if let bytes = blob.bytes { base64(bytes) } else { null() }
        raw("}")
    }

    private mutating func write(_ write: PendingWrite) {
        raw("{\"task_id\":")
        string(write.taskID.text)
        raw(",\"idx\":")
        integer(Int(write.index))
        raw(",\"channel\":")
        string(write.channel.text)
        raw(",\"type\":")
        optionalString(write.type)
        raw(",\"blob\":")
        base64(write.bytes)
        raw("}")
    }

    private mutating func optionalString(_ text: String?) {
        if let text { string(text) } else { null() }
    }
}
