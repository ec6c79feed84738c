import Checkpoints
import JSON
import Serde

/// A checkpoint with its document and metadata as values.
struct ReadCheckpoint: Sendable {
    let tuple: CheckpointTuple
    /// Null when it cannot be read.
    let document: JSONValue
    let metadata: JSONValue
    let progress: GraphProgress

    init(_ tuple: CheckpointTuple) {
        self.tuple = tuple
        document = tuple.checkpoint.document.valueOrNull
        metadata = tuple.checkpoint.metadata.valueOrNull
        progress = GraphProgress(document)
    }

    var parentKey: CheckpointKey? {
        let key = tuple.checkpoint.key
        return tuple.checkpoint.parentID.map { CheckpointKey(thread: key.thread, namespace: key.namespace, id: $0) }
    }
}

/// What the picture of a thread shows of a checkpoint: structure, and nothing of its values.
struct InspectorRow: Sendable {
    private let checkpoint: ReadCheckpoint
    private let nodes: [String]
    private let next: [String]

    /// `parent`: how far its parent's nodes had come; nil when there is none, or it is not there.
    ///
    /// `sends`: nodes that run next because they were sent something.
    init(_ checkpoint: ReadCheckpoint, after parent: GraphProgress?, sends: [String] = []) {
        self.checkpoint = checkpoint
        let isKnown = checkpoint.tuple.checkpoint.parentID == nil || parent != nil
        nodes = isKnown ? checkpoint.progress.nodes(since: parent) : []
        let isInput = checkpoint.metadata["source"]?.text == "input"
        next = (isInput ? ["__start__"] : []) + checkpoint.progress.next + sends
    }

    var json: JSONValue {
        let stored = checkpoint.tuple.checkpoint
        let writes = checkpoint.tuple.pendingWrites
        return [
            "checkpoint_ns": .string(JSONString(stored.key.namespace.text)),
            "checkpoint_id": .string(JSONString(stored.key.id.text)),
            "parent_checkpoint_id": stored.parentID.map { .string(JSONString($0.text)) } ?? .null,
            "ts": checkpoint.document["ts"].stringOrNull,
            "step": checkpoint.metadata["step"].numberOrNull,
            "source": checkpoint.metadata["source"].stringOrNull,
            "run_id": checkpoint.metadata["run_id"].stringOrNull,
            "nodes": .strings(nodes),
            "next": .strings(next),
            "writes": .count(writes.count),
            "interrupts": .count(writes.count { $0.channel.text == LangGraphChannel.interrupt }),
            "errors": .count(writes.count { $0.channel.text == LangGraphChannel.error }),
            "resumed": .bool(writes.contains { $0.channel.text == LangGraphChannel.resume }),
        ]
    }
}

extension JSONText {
    /// What is not JSON has no members, and is shown as its exact text.
    fileprivate var valueOrNull: JSONValue { (try? value) ?? .null }
}

extension JSONValue? {
    fileprivate var stringOrNull: JSONValue {
        if case .string? = self { self ?? .null } else { .null }
    }

    fileprivate var numberOrNull: JSONValue {
        if case .number? = self { self ?? .null } else { .null }
    }
}

extension JSONValue {
    fileprivate var text: String? {
        if case .string(let text) = self { text.string } else { nil }
    }

    static func count(_ count: Int) -> JSONValue { .number(JSONNumber(count)) }
}
