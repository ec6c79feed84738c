/// The serialised value of one channel at one version.
///
/// The bytes are opaque to every store.
package struct ChannelBlob: Hashable, Sendable {
    package var channel: Identifier
    package var version: Identifier
    /// The serialiser's tag, such as `msgpack`, `json` or `empty`.
    package var type: String
    /// Nil where the client sent null: a channel without a value at this version.
    ///
    /// Not the same as no bytes.
    package var bytes: [UInt8]?

    package init(channel: Identifier, version: Identifier, type: String, bytes: [UInt8]?) {
        self.channel = channel
        self.version = version
        self.type = type
        self.bytes = bytes
    }
}
