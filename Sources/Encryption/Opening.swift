package import Checkpoints

/// The store as a server uses it: encrypted when there are keys.
///
/// An empty store is marked the first time. Refuses an encrypted store without keys, and one with values in clear with them;
/// the caller closes it then.
package func openStore<Base: SealableStore>(
    _ base: Base,
    keys: EncryptionKeys?
) async throws(StoreOpenError) -> any RetainingStore & StoreMaintenance & ThreadTransfer {
    let state = try await encryptionState(of: base)
    guard let keys else {
        if state == .clear { return base }
        throw .keysMissing
    }
    if state == .clear {
        let isEmpty: Bool
        do {
            isEmpty = try await base.threads(after: nil, limit: 1).isEmpty
        } catch {
            throw StoreOpenError(error)
        }
        guard isEmpty else {
            throw StoreOpenError(
                .encrypted,
                "there are encryption keys, and the store has values that are not encrypted",
                hint: "stop its servers and run 'milepost rekey' once, or leave the keys out"
            )
        }
        try await base.setEncryptionState(.sealed)
    }
    return EncryptedStore(base, keys: keys, acceptsPlaintext: state == .mixed)
}

/// The threads of a store for reading: opened when they are encrypted.
///
/// Refuses an encrypted store without keys.
package func openSource<Base: SealableSource>(
    _ base: Base,
    keys: EncryptionKeys?
) async throws(StoreOpenError) -> any ThreadSource {
    let state = try await encryptionState(of: base)
    guard state != .clear else { return base }
    guard let keys else { throw .keysMissing }
    return EncryptedSource(base, keys: keys, acceptsPlaintext: state == .mixed)
}

/// What of a store cannot be opened with the keys; nothing when it is not encrypted.
package func unopened<Base: SealableSource>(
    in base: Base,
    keys: EncryptionKeys
) async throws(StoreError) -> [StoreDamage] {
    let state = try await base.encryptionState()
    guard state != .clear else { return [] }
    return try await EncryptedSource(base, keys: keys, acceptsPlaintext: state == .mixed).unopened()
}

func encryptionState(of base: some SealableSource) async throws(StoreOpenError) -> EncryptionState {
    do {
        return try await base.encryptionState()
    } catch {
        throw StoreOpenError(error)
    }
}

extension StoreOpenError {
    static let keysMissing = StoreOpenError(
        .encrypted,
        "the store is encrypted",
        hint: "give encryption-keys-file or encryption-keys-command its keys"
    )

    init(_ error: StoreError) {
        self.init(.notAccessible, error.debugDescription, hint: "check the store, and try again")
    }
}
