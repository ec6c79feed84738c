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

    /// The nodes that its tasks sent something to (`Send`), which run after the next checkpoint.
    ///
    /// Needs its pending writes.
    var sends: [String] {
        tuple.pendingWrites.filter { $0.channel == .sendsChannel }.compactMap { write in
            guard case .object(_, .arguments(let arguments)) = DecodedValue(type: write.type, bytes: write.bytes) else {
                return nil
            }
            return arguments.first?.string
        }
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

    /// `parent`: with its pending writes; nil when there is none, or it is not there.
    ///
    /// `joined`: the nodes that run next because all that they wait for have run.
    init(_ checkpoint: ReadCheckpoint, after parent: ReadCheckpoint?, joined: [String] = []) {
        self.checkpoint = checkpoint
        // A first checkpoint has run nothing; of one whose parent was pruned nobody knows.
        nodes = parent.map { checkpoint.progress.nodes(since: $0.progress) } ?? []
        let isInput = checkpoint.metadata["source"]?.string == "input"
        next = (isInput ? ["__start__"] : []) + checkpoint.progress.next + joined + (parent?.sends ?? [])
    }

    /// The checkpoint of the graph around this one that called it, as the metadata has it.
    private var caller: JSONValue {
        let namespace = checkpoint.tuple.checkpoint.key.namespace.text
        guard !namespace.isEmpty else { return .null }
        let outer = namespace.split(separator: "|", omittingEmptySubsequences: false).dropLast().joined(separator: "|")
        return (checkpoint.metadata["parents"]?[outer]).stringOrNull
    }

    var json: JSONValue {
        let stored = checkpoint.tuple.checkpoint
        let writes = checkpoint.tuple.pendingWrites
        return [
            "checkpoint_ns": .string(JSONString(stored.key.namespace.text)),
            "checkpoint_id": .string(JSONString(stored.key.id.text)),
            "parent_checkpoint_id": stored.parentID.map { .string(JSONString($0.text)) } ?? .null,
            "caller_checkpoint_id": caller,
            "ts": checkpoint.document["ts"].stringOrNull,
            "step": checkpoint.metadata["step"].numberOrNull,
            "source": checkpoint.metadata["source"].stringOrNull,
            "run_id": checkpoint.metadata["run_id"].stringOrNull,
            "nodes": .strings(nodes),
            "next": .strings(next),
            "writes": .count(writes.count),
            "interrupts": .count(writes.count { $0.channel == .interruptChannel }),
            "errors": .count(writes.count { $0.channel.text == LangGraphChannel.error }),
            "resumed": .bool(writes.contains { $0.channel == .resumeChannel }),
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
    static func count(_ count: Int) -> JSONValue { .number(JSONNumber(count)) }
}
