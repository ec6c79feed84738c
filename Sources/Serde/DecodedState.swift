package import JSON

/// The channels of a checkpoint that have a value, decoded.
package struct DecodedState: Sendable {
    /// The graph's own channels before LangGraph's, by name.
    package let entries: [DecodedEntry]

    /// Of what is both in the document and a blob, such as a snapshot, the blob has the value.
    package init(document: JSONValue, blobs: some Sequence<(channel: String, type: String, bytes: [UInt8]?)>) {
        var values: [JSONString: DecodedValue] = [:]
        if case .object(let members)? = document["channel_values"] {
            for member in members { values[member.name] = DecodedValue(member.value) }
        }
        for blob in blobs where blob.type != "empty" {
            values[JSONString(blob.channel)] = DecodedValue(type: blob.type, bytes: blob.bytes)
        }
        entries = values.sorted { LangGraphChannel.precedes($0.key, $1.key) }
            .map { DecodedEntry(.text($0.key), $0.value) }
    }
}
