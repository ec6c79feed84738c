import Checkpoints

/// What a blob's bytes look like on disk.
///
/// With `BlobChain`, nothing else knows.
struct StoredBlob {
    enum Encoding: Int64 {
        /// The bytes as they came; also for a blob that the client sent as null.
        case plain = 0
        /// A zstd frame.
        case frame = 1
        /// A zstd frame made against the bytes of another version of the channel.
        case delta = 2
    }

    /// Blobs shorter than this are kept as they came: a frame has some 15 bytes of its own.
    static let smallestFrame = 64

    let encoding: Encoding
    /// Nil for a blob that the client sent as null.
    let payload: [UInt8]?

    private init(_ encoding: Encoding, _ payload: [UInt8]?) {
        self.encoding = encoding
        self.payload = payload
    }

    /// As it came, without a checksum.
    static func plain(_ bytes: [UInt8]?) -> StoredBlob {
        StoredBlob(.plain, bytes)
    }

    /// By itself, as a frame unless it is short.
    static func alone(_ bytes: [UInt8]?) -> StoredBlob {
        guard let bytes, bytes.count >= smallestFrame, let frame = Zstandard.compress(bytes) else {
            return plain(bytes)
        }
        return StoredBlob(.frame, frame)
    }

    /// As what it adds to `base`; nil when that is more than half of it.
    static func delta(_ bytes: [UInt8], from base: [UInt8]) -> StoredBlob? {
        guard
            bytes.count >= smallestFrame, base.count >= smallestFrame,
            let frame = Zstandard.compress(bytes, prefix: base), frame.count <= bytes.count / 2
        else { return nil }
        return StoredBlob(.delta, frame)
    }

    /// Nil when a row names an encoding that this version does not know.
    ///
    /// The row is damaged then, because a newer layout would have been refused when the store was opened.
    init?(encoding: Int64, payload: [UInt8]?) {
        guard let encoding = Encoding(rawValue: encoding) else { return nil }
        self.encoding = encoding
        self.payload = payload
    }

    /// The bytes the client sent; `base` is given for a delta.
    ///
    /// Throws `corrupt` when a frame is damaged or does not fit its base.
    func bytes(base: [UInt8] = []) throws(StoreError) -> [UInt8]? {
        guard let payload else { return nil }
        if encoding == .plain { return payload }
        guard let bytes = Zstandard.decompress(payload, prefix: encoding == .delta ? base : []) else {
            throw StoreError(.corrupt, during: "read a blob", detail: "its frame is damaged")
        }
        return bytes
    }

    /// Whether compressing it gained next to nothing, as with random bytes.
    func isIncompressible(_ bytes: [UInt8]) -> Bool {
        encoding == .frame && (payload?.count ?? 0) > bytes.count / 10 * 9
    }
}
