import Checkpoints
import JSON

// The shapes that the calls answer with. Documents and metadata go out as they came in; blobs are encoded straight
// into the answer.
extension JSONWriter {
    static func tupleOrNull(_ tuple: CheckpointTuple?, _ include: Include) -> JSONWriter {
        if let tuple {
            var writer = JSONWriter(reservingCapacity: tuple.estimatedBytes)
            writer.tuple(tuple, include)
            return writer
        }
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

    static func list(_ tuples: [CheckpointTuple], _ include: Include) -> JSONWriter {
        var writer = JSONWriter(reservingCapacity: tuples.reduce(16) { $0 + $1.estimatedBytes })
        writer.array(tuples) { $0.tuple($1, include) }
        return writer
    }

    private mutating func tuple(_ tuple: CheckpointTuple, _ include: Include) {
        raw("{")
        members(of: tuple.checkpoint)
        if include.parts.contains(.blobs) {
            raw(",\"blobs\":")
            array(tuple.blobs) { $0.blob($1) }
        }
        if include.parts.contains(.pendingWrites) {
            raw(",\"pending_writes\":")
            array(tuple.pendingWrites) { $0.write($1, hasTaskPath: include.hasTaskPath) }
        }
        if include.parts.contains(.parentSends) {
            raw(",\"parent_sends\":")
            array(tuple.parentSends) { $0.write($1, hasTaskPath: include.hasTaskPath) }
        }
        raw("}")
    }

    static func histories(_ histories: [ChannelHistory]) -> JSONWriter {
        var writer = JSONWriter()
        writer.raw("{\"channels\":{")
        for (index, history) in histories.enumerated() {
            if index > 0 { writer.raw(",") }
            writer.string(history.channel.text)
            writer.raw(":{\"writes\":")
            writer.array(history.writes) { $0.write($1, hasTaskPath: true) }
            switch history.seed {
            case .blob(let blob)?:
                writer.raw(",\"seed\":{\"blob\":")
                writer.blob(blob)
                writer.raw("}")
            case .value(let value)?:
                writer.raw(",\"seed\":{\"value\":")
                writer.raw(value)
                writer.raw("}")
            case nil: break
            }
            writer.raw("}")
        }
        writer.raw("}}")
        return writer
    }

    mutating func array<Element>(_ elements: [Element], _ write: (inout JSONWriter, Element) -> Void) {
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

    private mutating func write(_ write: PendingWrite, hasTaskPath: Bool) {
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
        if hasTaskPath {
            raw(",\"task_path\":")
            string(write.taskPath.text)
        }
        raw("}")
    }

    mutating func optionalString(_ text: String?) {
        if let text { string(text) } else { null() }
    }
}

extension CheckpointTuple {
    /// About what its JSON takes.
    fileprivate var estimatedBytes: Int {
        checkpoint.document.bytes.count + checkpoint.metadata.bytes.count + partBytes * 4 / 3
            + (1 + blobs.count + pendingWrites.count + parentSends.count) * 256
    }
}
