package import Checkpoints

/// What a value's bytes look like on disk: how they are encoded, and the payload.
///
/// A payload has a digest of the value, at its beginning or after a splice's header, which is verified whenever it is
/// read. Since layout 5 it is made with the row's name too: what is read under another name is damaged.
package struct StoredBytes: Sendable {
    package enum Encoding: Int64, Sendable {
        // 0 were bytes without a digest, in layouts 1 and 2.
        /// A zstd frame with a checksum of its own: layout 2.
        case checkedFrame = 1
        /// A zstd frame made against all bytes of another version of the channel, with a checksum: layout 2.
        case checkedDelta = 2
        /// A digest and the bytes as they came: what is short, or gains nothing from compression.
        ///
        /// Before layout 5 NULL for what the client sent as null.
        case kept = 3
        /// A zstd frame made against dictionary 1, with a digest of the value in place of the frame's magic number.
        case frame = 4
        /// What differs from another version of the channel: see `Splice`.
        case splice = 5
        /// What the client sent as null: the digest of the word, as that of no bytes is an empty value's. It is always named.
        case null = 6

        /// Whether another version is needed to read it.
        var needsBase: Bool { self == .checkedDelta || self == .splice }
    }

    /// Values shorter than this are kept as they came: a frame has some ten bytes of its own.
    package static let smallestFrame = 64
    /// What is added to an encoding's number where the digest is made with the row's name.
    static let namedBit: Int64 = 8
    /// What stands beside a payload that was sent as null.
    static let nullCode = Encoding.null.rawValue | namedBit

    package let encoding: Encoding
    /// Whether the digest was made with the row's name.
    let isNamed: Bool
    /// Nil for what was sent as null before layout 5.
    package let payload: [UInt8]?

    /// The column beside the payload.
    package var code: Int64 { encoding.rawValue | (isNamed ? Self.namedBit : 0) }

    /// By itself: as a frame, unless that is no shorter, or the value is shorter than `smallestFrame` bytes.
    ///
    /// Nil for a name makes what layout 4 had.
    package static func alone(
        _ bytes: [UInt8]?,
        named name: RowName?,
        smallestFrame: Int = smallestFrame
    ) -> StoredBytes {
        guard let bytes else { return null(named: name) }
        return bytes.withUnsafeBytes { value in
            let digest = Digest(value, named: name)
            var payload: [UInt8] = []
            if value.count >= smallestFrame, appendFrame(of: value, .dictionary, digest: digest, to: &payload),
                payload.count < value.count
            {
                return StoredBytes(encoding: .frame, isNamed: name != nil, payload: payload)
            }
            return kept(value, digest, isNamed: name != nil)
        }
    }

    /// As it came.
    static func kept(_ bytes: [UInt8], named name: RowName?) -> StoredBytes {
        bytes.withUnsafeBytes { kept($0, Digest($0, named: name), isNamed: name != nil) }
    }

    private static func kept(_ value: UnsafeRawBufferPointer, _ digest: Digest, isNamed: Bool) -> StoredBytes {
        var payload = [UInt8](repeating: 0, count: Digest.count)
        payload.reserveCapacity(Digest.count + value.count)
        digest.write(to: &payload, at: 0)
        payload.append(contentsOf: value)
        return StoredBytes(encoding: .kept, isNamed: isNamed, payload: payload)
    }

    private static func null(named name: RowName?) -> StoredBytes {
        guard let name else { return StoredBytes(encoding: .kept, isNamed: false, payload: nil) }
        var payload = [UInt8](repeating: 0, count: Digest.count)
        nullWord.withUnsafeBytes { Digest($0, named: name) }.write(to: &payload, at: 0)
        return StoredBytes(encoding: .null, isNamed: true, payload: payload)
    }

    private static let nullWord = Array("null".utf8)

    /// As what differs from `base`; nil when that is more than half of it.
    package static func splice(_ bytes: [UInt8], from base: [UInt8], named name: RowName?) -> StoredBytes? {
        bytes.withUnsafeBytes { value in
            base.withUnsafeBytes { base in
                let splice = Splice(value, from: base)
                var payload: [UInt8] = []
                splice.appendHeader(to: &payload)
                let digest = Digest(value, named: name)
                let isMade = splice.withRest(of: value) { rest in
                    appendFrame(of: rest, .prefix(splice.window(in: base)), digest: digest, to: &payload)
                }
                guard isMade, payload.count <= value.count / 2 else { return nil }
                return StoredBytes(encoding: .splice, isNamed: name != nil, payload: payload)
            }
        }
    }

    /// The bytes the client sent, nil where it sent null; `base` is given when the encoding needs one.
    ///
    /// Throws `corrupt` when the payload is damaged, was made from another base, or is another row's.
    package func bytes(base: [UInt8] = [], named name: RowName) throws(StoreError) -> [UInt8]? {
        if encoding == .kept, !isNamed, payload == nil { return nil }
        let value = try value(base: base, named: name)
        return encoding == .null ? nil : value
    }

    /// The same for what cannot be null.
    func value(base: [UInt8] = [], named name: RowName) throws(StoreError) -> [UInt8] {
        guard let bytes = payload.flatMap({ Self.decoded(encoding, $0, base, isNamed ? name : nil) }) else {
            let detail = isNamed ? "its bytes or its name are damaged" : "its bytes are damaged"
            throw StoreError(.corrupt, during: "read a value", detail: detail)
        }
        return bytes
    }

    private static func decoded(
        _ encoding: Encoding,
        _ payload: [UInt8],
        _ base: [UInt8],
        _ name: RowName?
    ) -> [UInt8]? {
        switch encoding {
        case .checkedFrame, .checkedDelta:
            return payload.withUnsafeBytes { frame in
                base.withUnsafeBytes { Zstandard.decompress(frame, against: .prefix($0)) }
            }
        case .kept:
            guard let digest = Digest(in: payload, at: 0) else { return nil }
            let bytes = Array(payload[Digest.count...])
            return isRight(digest, bytes, name) ? bytes : nil
        case .null:
            guard let digest = Digest(in: payload, at: 0), payload.count == Digest.count else { return nil }
            return isRight(digest, nullWord, name) ? [] : nil
        case .frame:
            return unpacked(payload, from: 0, name) { Zstandard.decompress($0, against: .dictionary) }
        case .splice:
            return base.withUnsafeBytes { base in
                guard let (splice, start) = Splice.read(payload, baseCount: base.count) else { return nil }
                return unpacked(payload, from: start, name) { frame in
                    Zstandard.decompress(frame, against: .prefix(splice.window(in: base)))
                        .flatMap { splice.joined($0, base: base) }
                }
            }
        }
    }

    private static func isRight(_ digest: Digest, _ bytes: [UInt8], _ name: RowName?) -> Bool {
        bytes.withUnsafeBytes { Digest($0, named: name) } == digest
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
        _ name: RowName?,
        _ read: (UnsafeRawBufferPointer) -> [UInt8]?
    ) -> [UInt8]? {
        guard let digest = Digest(in: payload, at: start) else { return nil }
        var frame = payload
        frame.withUnsafeMutableBytes { $0.storeBytes(of: Zstandard.magic, toByteOffset: start, as: UInt32.self) }
        let bytes = frame.withUnsafeBytes { read(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        return bytes.flatMap { isRight(digest, $0, name) ? $0 : nil }
    }
}

extension StoredBytes {
    /// Nil when a row names an encoding that this version does not know.
    ///
    /// The row is damaged then, because a newer layout would have been refused when the store was opened.
    package init?(code: Int64, payload: [UInt8]?) {
        guard let encoding = Encoding(rawValue: code & ~Self.namedBit) else { return nil }
        isNamed = code & Self.namedBit != 0
        switch encoding {
        case .checkedFrame, .checkedDelta: if isNamed { return nil }
        case .null: if !isNamed { return nil }
        case .kept, .frame, .splice: break
        }
        self.encoding = encoding
        self.payload = payload
    }

    /// The same value under a name that differs in `change`; what has no name in its digest, and what is damaged, stays as
    /// it is.
    package func renamed(by change: RowName) -> StoredBytes {
        guard isNamed, var payload else { return self }
        let place = encoding == .splice ? Splice.read(payload, baseCount: .max)?.end : 0
        guard let place, let digest = Digest(in: payload, at: place) else { return self }
        digest.renamed(by: change).write(to: &payload, at: place)
        return StoredBytes(encoding: encoding, isNamed: true, payload: payload)
    }
}
