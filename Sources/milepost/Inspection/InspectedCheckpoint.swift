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
        state =
            DecodedState(document: stored.document, blobs: stored.blobs.map { ($0.channel, $0.type, $0.bytes) }).entries
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
}
