import Checkpoints
import JSON
import Serde

/// The channels of a checkpoint, with what is known of each, and what tasks wrote after it.
///
/// Values are decoded with the limits of `DecodingLimits`, for all channels together; nothing is made from the names of
/// types.
struct InspectedState: Sendable {
    struct Channel: Sendable {
        let name: JSONString
        /// As the document has it; nil for a channel that has a value and no version.
        let version: JSONValue?
        /// The serde's tag; `inline` for what the document has itself, `delta` for what only writes make up; nil for a channel
        /// without a value.
        let type: String?
        /// Of the value as it is stored.
        let bytes: Int
        let value: DecodedValue?
    }

    /// The graph's own before LangGraph's, by name.
    let channels: [Channel]

    /// `histories`: of channels that have neither a value in the document nor a blob.
    init(_ checkpoint: ReadCheckpoint, histories: [ChannelHistory] = []) {
        let versions = checkpoint.document["channel_versions"].lastMembers
        let inline = checkpoint.document["channel_values"].lastMembers
        let blobs = Dictionary(checkpoint.tuple.blobs.map { (JSONString($0.channel.text), $0) }) { $1 }
        let deltas = Dictionary(histories.map { (JSONString($0.channel.text), $0) }) { $1 }
        let decoded = DecodedState(checkpoint)
        let values = Dictionary(decoded.entries.map { ($0.key, $0.value) }) { $1 }
        let names = Set(versions.keys).union(inline.keys).union(blobs.keys)
        channels = names.sorted(by: LangGraphChannel.precedes).map { name in
            // A client may say of what is in the document that it has no blob.
            if let blob = blobs[name], blob.hasValue || inline[name] == nil {
                return Channel(
                    name: name,
                    version: versions[name],
                    type: blob.hasValue ? blob.type : nil,
                    bytes: blob.bytes?.count ?? 0,
                    value: values[.text(name)]
                )
            }
            if let value = inline[name] {
                let bytes = value.text.bytes.count
                return Channel(
                    name: name, version: versions[name], type: "inline", bytes: bytes, value: values[.text(name)])
            }
            let delta = deltas[name]
            return Channel(
                name: name,
                version: versions[name],
                type: delta?.isEmpty == false ? "delta" : nil,
                bytes: delta?.bytes ?? 0,
                value: delta.flatMap { $0.isEmpty ? nil : $0.decoded }
            )
        }
    }

    /// The channels that have a value.
    var entries: [DecodedEntry] {
        channels.compactMap { channel in channel.value.map { DecodedEntry(.text(channel.name), $0) } }
    }

    /// Channels with a version that have no value of their own, which may be made of writes.
    static func unvalued(_ checkpoint: ReadCheckpoint) -> [Identifier] {
        let inline = checkpoint.document["channel_values"].lastMembers
        let blobs = Set(checkpoint.tuple.blobs.map { JSONString($0.channel.text) })
        return checkpoint.document["channel_versions"].lastMembers.keys
            .filter { inline[$0] == nil && !blobs.contains($0) && !LangGraphChannel.isInner($0) }
            .compactMap { Identifier($0) }
    }
}

extension DecodedState {
    init(_ checkpoint: ReadCheckpoint) {
        self.init(
            document: checkpoint.document,
            blobs: checkpoint.tuple.blobs.map { ($0.channel.text, $0.type, $0.bytes) }
        )
    }
}

extension ChannelHistory {
    fileprivate var isEmpty: Bool { seed == nil && writes.isEmpty }

    fileprivate var bytes: Int {
        let begin =
            switch seed {
            case .blob(let blob)?: blob.bytes?.count ?? 0
            case .value(let text)?: text.bytes.count
            case nil: 0
            }
        return writes.reduce(begin) { $0 + $1.bytes.count }
    }

    /// What the graph's reducer would be given: it is the application's, and does not run here.
    fileprivate var decoded: DecodedValue {
        let begin: DecodedValue =
            switch seed {
            case .blob(let blob)?: DecodedValue(type: blob.type, bytes: blob.bytes)
            case .value(let text)?: (try? text.value).map { DecodedValue($0) } ?? .null  // what is not JSON is nothing
            case nil: .null
            }
        let limits = DecodingLimits()
        let added = writes.map { write in
            DecodedValue(type: write.type, bytes: write.bytes, limits: limits.share(of: write.bytes.count, in: bytes))
        }
        return .object(
            type: "delta channel",
            .fields([
                DecodedEntry(DecodedValue("seed"), begin), DecodedEntry(DecodedValue("writes"), .array(added)),
            ])
        )
    }
}

extension JSONValue? {
    /// Of a name that is there twice the last counts.
    var lastMembers: [JSONString: JSONValue] {
        guard case .object(let members)? = self else { return [:] }
        return Dictionary(members.map { ($0.name, $0.value) }) { $1 }
    }
}
