import Checkpoints

/// The bytes of a sealed value: what is known of it without a key, a nonce, what is sealed, and a tag over all of it.
///
///     C1 6D 6C 70 | format 1 | flags | length of id | id | nonce 12 | sealed … | tag 16
struct Envelope {
    static let nonceBytes = 12
    static let tagBytes = 16
    private static let format: UInt8 = 1
    /// Bytes before the id.
    private static let prefixBytes = SealedValue.flagsPlace + 2

    /// Everything before the nonce: authenticated, not encrypted.
    let header: [UInt8]
    let keyID: String
    /// Nonce, what is sealed, and tag.
    let box: ArraySlice<UInt8>

    static func header(keyID: String, isSnapshot: Bool) -> [UInt8] {
        let flags = isSnapshot ? SealedValue.snapshotFlag : 0
        return SealedValue.magic + [format, flags, UInt8(keyID.utf8.count)] + keyID.utf8
    }

    /// Nil for what is not one.
    init?(_ bytes: [UInt8]) {
        guard SealedValue.isSealed(bytes), bytes.count > Self.prefixBytes,
            bytes[SealedValue.flagsPlace - 1] == Self.format
        else { return nil }
        let end = Self.prefixBytes + Int(bytes[Self.prefixBytes - 1])
        guard bytes.count >= end + Self.nonceBytes + 1 + Self.tagBytes,
            let id = String(validating: bytes[Self.prefixBytes..<end], as: UTF8.self), EncryptionKeys.isID(id)
        else { return nil }
        header = Array(bytes[..<end])
        keyID = id
        box = bytes[end...]
    }
}
