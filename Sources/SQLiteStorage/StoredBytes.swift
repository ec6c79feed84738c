package import Checkpoints

/// What a value's bytes look like on disk: how they are encoded, and the payload.
///
/// Since layout 3 a payload has a digest of the value, at its beginning or after a splice's header, which is verified
/// whenever it is read.
package struct StoredBytes: Sendable {
    package enum Encoding: Int64, Sendable {
        // 0 were bytes without a digest, in layouts 1 and 2.
        /// A zstd frame with a checksum of its own: layout 2.
        case checkedFrame = 1
        /// A zstd frame made against all bytes of another version of the channel, with a checksum: layout 2.
        case checkedDelta = 2
        /// A digest and the bytes as they came: what is short, or gains nothing from compression.
        ///
        /// NULL for what the client sent as null.
        case kept = 3
        /// A zstd frame made against dictionary 1, with a digest of the value in place of the frame's magic number.
        case frame = 4
        /// What differs from another version of the channel: see `Splice`.
        case splice = 5

        /// Whether another version is needed to read it.
        var needsBase: Bool { self == .checkedDelta || self == .splice }
    }

    /// Values shorter than this are kept as they came: a frame has some ten bytes of its own.
    package static let smallestFrame = 64
    package let encoding: Encoding
    /// Nil for what the client sent as null.
    package let payload: [UInt8]?

    /// By itself: as a frame, unless that is no shorter, or the value is shorter than `smallestFrame` bytes.
    package static func alone(_ bytes: [UInt8]?, smallestFrame: Int = smallestFrame) -> StoredBytes {
        guard let bytes else { return StoredBytes(encoding: .kept, payload: nil) }
        return bytes.withUnsafeBytes { value in
            let digest = Digest(value)
            var payload: [UInt8] = []
            if value.count >= smallestFrame, appendFrame(of: value, .dictionary, digest: digest, to: &payload),
                payload.count < value.count
            {
                return StoredBytes(encoding: .frame, payload: payload)
            }
            return kept(value, digest)
        }
    }

    /// As it came.
    static func kept(_ value: UnsafeRawBufferPointer, _ digest: Digest) -> StoredBytes {
        var payload = [UInt8](repeating: 0, count: Digest.count)
        payload.reserveCapacity(Digest.count + value.count)
        digest.write(to: &payload, at: 0)
        payload.append(contentsOf: value)
        return StoredBytes(encoding: .kept, payload: payload)
    }

    /// As what differs from `base`; nil when that is more than half of it.
    package static func splice(_ bytes: [UInt8], from base: [UInt8]) -> StoredBytes? {
        bytes.withUnsafeBytes { value in
            base.withUnsafeBytes { base in
                let splice = Splice(value, from: base)
                var payload: [UInt8] = []
                splice.appendHeader(to: &payload)
                let isMade = splice.withRest(of: value) { rest in
                    appendFrame(of: rest, .prefix(splice.window(in: base)), digest: Digest(value), to: &payload)
                }
                guard isMade, payload.count <= value.count / 2 else { return nil }
                return StoredBytes(encoding: .splice, payload: payload)
            }
        }
    }

    /// The bytes the client sent, nil where it sent null; `base` is given when the encoding needs one.
    ///
    /// Throws `corrupt` when the payload is damaged or was made from another base.
    package func bytes(base: [UInt8] = []) throws(StoreError) -> [UInt8]? {
        if encoding == .kept, payload == nil { return nil }
        return try value(base: base)
    }

    /// The same for what cannot be null.
    func value(base: [UInt8] = []) throws(StoreError) -> [UInt8] {
        guard let bytes = payload.flatMap({ Self.decoded(encoding, $0, base) }) else {
            throw StoreError(.corrupt, during: "read a value", detail: "its bytes are damaged")
        }
        return bytes
    }

    private static func decoded(_ encoding: Encoding, _ payload: [UInt8], _ base: [UInt8]) -> [UInt8]? {
        switch encoding {
        case .checkedFrame, .checkedDelta:
            return payload.withUnsafeBytes { frame in
                base.withUnsafeBytes { Zstandard.decompress(frame, against: .prefix($0)) }
            }
        case .kept:
            guard let digest = Digest(in: payload, at: 0) else { return nil }
            let bytes = Array(payload[Digest.count...])
            return Digest(of: bytes) == digest ? bytes : nil
        case .frame:
            return unpacked(payload, from: 0) { Zstandard.decompress($0, against: .dictionary) }
        case .splice:
            return base.withUnsafeBytes { base in
                guard let (splice, start) = Splice.read(payload, baseCount: base.count) else { return nil }
                return unpacked(payload, from: start) { frame in
                    Zstandard.decompress(frame, against: .prefix(splice.window(in: base)))
                        .flatMap { splice.joined($0, base: base) }
                }
            }
        }
    }

    /// Puts a frame at the end of `payload`, with the digest of the whole value where its magic number was.
    private static func appendFrame(
        of content: UnsafeRawBufferPointer,
        _ reference: Zstandard.Reference,
        digest: Digest,
        to payload: inout [UInt8]
    ) -> Bool {
        let start = payload.count
        guard Zstandard.compress(content, against: reference, to: &payload) else { return false }
        digest.write(to: &payload, at: start)
        return true
    }

    /// What `read` makes of the frame that begins at `start`, if its digest is right.
    private static func unpacked(
        _ payload: [UInt8],
        from start: Int,
        _ read: (UnsafeRawBufferPointer) -> [UInt8]?
    ) -> [UInt8]? {
        guard let digest = Digest(in: payload, at: start) else { return nil }
        var frame = payload
        frame.withUnsafeMutableBytes { $0.storeBytes(of: Zstandard.magic, toByteOffset: start, as: UInt32.self) }
        let bytes = frame.withUnsafeBytes { read(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        return bytes.flatMap { Digest(of: $0) == digest ? $0 : nil }
    }
}

extension StoredBytes {
    /// Nil when a row names an encoding that this version does not know.
    ///
    /// The row is damaged then, because a newer layout would have been refused when the store was opened.
    package init?(encoding: Int64, payload: [UInt8]?) {
        guard let encoding = Encoding(rawValue: encoding) else { return nil }
        self.encoding = encoding
        self.payload = payload
    }
}
