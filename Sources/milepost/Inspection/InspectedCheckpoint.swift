import JSON
import MilepostClient
import Serde

/// A checkpoint with its values decoded.
struct InspectedCheckpoint {
    struct Write {
        let taskID: String
        let index: Int
        let channel: String
        let taskPath: String?
        let value: DecodedValue
    }

    let stored: StoredCheckpoint
    /// The value of each channel that has one, the graph's own channels before LangGraph's.
    let state: [DecodedEntry]
    let writes: [Write]
    let metadata: [DecodedEntry]

    init(_ stored: StoredCheckpoint) {
        self.stored = stored
        var values: [JSONString: DecodedValue] = [:]
        if case .object(let members)? = stored.document["channel_values"] {
            for member in members { values[member.name] = DecodedValue(member.value) }
        }
        for blob in stored.blobs where blob.type != "empty" {
            // What is both inline and a blob, such as a snapshot, has its value in the blob.
            values[JSONString(blob.channel)] = DecodedValue(type: blob.type, bytes: blob.bytes)
        }
        state = values.sorted { Self.precedes($0.key, $1.key) }.map { DecodedEntry(.text($0.key), $0.value) }
        writes = stored.pendingWrites.map { write in
            Write(
                taskID: write.taskID,
                index: write.index,
                channel: write.channel,
                taskPath: write.taskPath,
                value: DecodedValue(type: write.type, bytes: write.bytes)
            )
        }
        if case .map(let entries) = DecodedValue(stored.metadata) { metadata = entries } else { metadata = [] }
    }

    var time: String? { stored.document["ts"]?.string }

    /// Its place in the run, and what made it: `step 3, loop`.
    var origin: String {
        let step = stored.metadata["step"].map { "step \(String(decoding: $0.text.bytes, as: UTF8.self))" }
        return [step, stored.metadata["source"]?.string].compactMap(\.self).joined(separator: ", ")
    }

    var interrupts: [Write] { writes.filter { $0.channel == LangGraphChannel.interrupt } }

    /// Whether its interrupts have been answered.
    var isResumed: Bool { writes.contains { $0.channel == LangGraphChannel.resume } }

    private static func precedes(_ left: JSONString, _ right: JSONString) -> Bool {
        let (isLeftInner, isRightInner) = (LangGraphChannel.isInner(left), LangGraphChannel.isInner(right))
        if isLeftInner != isRightInner { return isRightInner }
        return left.wtf8.lexicographicallyPrecedes(right.wtf8)
    }
}

/// The channels that LangGraph keeps for itself.
enum LangGraphChannel {
    static let interrupt = "__interrupt__"
    static let error = "__error__"
    static let resume = "__resume__"

    static func isInner(_ name: JSONString) -> Bool {
        name.wtf8.starts(with: "__".utf8) || name.wtf8.starts(with: "branch:".utf8)
    }
}

extension JSONValue {
    var string: String? {
        if case .string(let string) = self { string.string } else { nil }
    }
}
