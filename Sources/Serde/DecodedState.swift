package import JSON

/// The channels of a checkpoint that have a value, decoded.
package struct DecodedState: Sendable {
    /// The graph's own channels before LangGraph's, by name.
    package let entries: [DecodedEntry]

    /// Of what is both in the document and a blob, such as a snapshot, the blob has the value.
    ///
    /// `limits` are those of all blobs together.
    package init(
        document: JSONValue,
        blobs: some Collection<(channel: String, type: String, bytes: [UInt8]?)>,
        limits: DecodingLimits = DecodingLimits()
    ) {
        let total = blobs.reduce(0) { $0 + ($1.bytes?.count ?? 0) }
        var values: [JSONString: DecodedValue] = [:]
        if case .object(let members)? = document["channel_values"] {
            for member in members { values[member.name] = DecodedValue(member.value) }
        }
        for blob in blobs where blob.type != "empty" {
            values[JSONString(blob.channel)] = DecodedValue(
                type: blob.type, bytes: blob.bytes, limits: limits.share(of: blob.bytes?.count ?? 0, in: total))
        }
        entries = values.sorted { LangGraphChannel.precedes($0.key, $1.key) }
            .map { DecodedEntry(.text($0.key), $0.value) }
    }
}
