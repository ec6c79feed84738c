import Checkpoints
import Crypto
import FoundationEssentials

/// Seals and opens the values of one thread: AES-256-GCM with a key that is derived for the thread.
///
/// A key of its own for each thread (HKDF-SHA-256 of the key in the file) because nonces are random: of one key no more than 2³²
/// values should be sealed, which a busy server comes to in days, and a thread never.
/// https://doi.org/10.6028/NIST.SP.800-38D, section 8.3
struct ThreadSealer {
    let thread: ThreadKey
    private let keys: EncryptionKeys
    private let firstKey: SymmetricKey
    /// Whether what is not sealed is taken as it is.
    let acceptsPlaintext: Bool

    init(_ thread: ThreadKey, _ keys: EncryptionKeys, acceptsPlaintext: Bool) {
        self.thread = thread
        self.keys = keys
        self.acceptsPlaintext = acceptsPlaintext
        firstKey = Self.derived(from: keys.first, thread)
    }

    private static func derived(from key: EncryptionKeys.Key, _ thread: ThreadKey) -> SymmetricKey {
        var info = LengthPrefixed()
        info.add("milepost thread 1".utf8)
        info.add(thread.tenant.name.text.utf8)
        info.add(thread.id.text.utf8)
        return HKDF<SHA256>.expand(
            pseudoRandomKey: key.secret, info: info.bytes, outputByteCount: EncryptionKeys.keyBytes)
    }

    func seal(_ bytes: [UInt8], at place: SealedPlace, isSnapshot: Bool = false) throws(StoreError) -> [UInt8] {
        var envelope = Envelope.header(keyID: keys.first.id, isSnapshot: isSnapshot)
        let associated = place.associatedData(envelope, thread)
        do {
            let box = try AES.GCM.seal(Compression.packed(bytes), using: firstKey, authenticating: associated)
            guard let combined = box.combined else {
                preconditionFailure("the nonce has the length that it always has")
            }
            envelope.reserveCapacity(envelope.count + combined.count)
            combined.withUnsafeBytes { envelope.append(contentsOf: $0) }
            return envelope
        } catch {
            throw StoreError(.unexpected, during: "encrypt \(place.kind)", detail: "\(error)")
        }
    }

    /// Whether bytes are sealed, with the first key.
    func isCurrent(_ bytes: [UInt8]) -> Bool {
        Envelope(bytes)?.keyID == keys.first.id
    }

    func open(_ bytes: [UInt8], at place: SealedPlace) throws(StoreError) -> [UInt8] {
        guard SealedValue.isSealed(bytes) else {
            if acceptsPlaintext { return bytes }
            throw notSealed(place)
        }
        guard let envelope = Envelope(bytes) else { throw damaged(place) }
        guard let key = keys.key(envelope.keyID) else {
            throw StoreError(
                .unavailable,
                during: "decrypt \(place.kind)",
                detail: "it is encrypted with the key '\(envelope.keyID)', which is not among the \(keys); add that key"
            )
        }
        let secret = key.id == keys.first.id ? firstKey : Self.derived(from: key, thread)
        do {
            let box = try AES.GCM.SealedBox(combined: envelope.box)
            let packed = try AES.GCM.open(
                box, using: secret, authenticating: place.associatedData(envelope.header, thread))
            guard let value = Compression.unpacked(packed) else { throw damaged(place) }
            return value
        } catch {
            throw damaged(place)
        }
    }

    func notSealed(_ place: SealedPlace) -> StoreError {
        StoreError(
            .corrupt,
            during: "decrypt \(place.kind)",
            detail: "it is not encrypted; if it is yours, stop the servers and run 'milepost rekey --accept-plaintext'"
        )
    }

    func damaged(_ place: SealedPlace) -> StoreError {
        StoreError(
            .corrupt,
            during: "decrypt \(place.kind)",
            detail:
                "it is not what was encrypted for this row: it was changed, or comes from another row or another key; "
                + "restore it from a backup, or delete it"
        )
    }
}
