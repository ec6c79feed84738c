/// Whether the values of a store are sealed: encrypted by whoever uses the store.
package enum EncryptionState: Hashable, Sendable {
    /// None is.
    case clear
    /// Some may be: they are being sealed, or opened, and that has not come to its end.
    case mixed
    /// All are.
    case sealed
}

/// A source that knows whether its values are sealed.
package protocol SealableSource: ThreadSource {
    /// What the store is marked as; one that was never marked is `clear`.
    func encryptionState() async throws(StoreError) -> EncryptionState
}

/// A store whose values another layer may seal.
///
/// Of a sealed document it reads the members that it reads of any, which stay in clear; of a sealed blob, whether it is a
/// snapshot (`SealedValue`).
package protocol SealableStore: RetainingStore, StoreMaintenance, ThreadTransfer, SealableSource {
    /// Marks the store, durably.
    ///
    /// A program that cannot open what is sealed refuses a store that is not `clear`, also an older one. Refuses where other
    /// programs would read the values.
    func setEncryptionState(_ state: EncryptionState) async throws(StoreOpenError)

    /// Gives a thread what `transform` makes of each row of `source`, in one transaction.
    ///
    /// When `target` is the source, its rows are replaced. Otherwise the rules and the outcome are those of `copyThread`:
    /// a target that has something already stays as it is. `transform` keeps a row's key but for its thread, which becomes
    /// `target`. It is called on a thread of the store, perhaps more than once for a row; what it throws is thrown here, and
    /// nothing has changed then.
    func rewrite(
        _ source: ThreadKey,
        as target: ThreadKey,
        _ transform: @escaping @Sendable (ThreadRow) throws(StoreError) -> ThreadRow
    ) async throws(StoreError) -> CopyOutcome
}
