package import Checkpoints
import GRDB
import Synchronization

extension SQLiteStore: SealableStore {
    package func encryptionState() async throws(StoreError) -> EncryptionState {
        try await readers.encryptionState()
    }

    /// The mark is the file's `application_id`: a version of the program that knows nothing of encryption takes the file for
    /// another program's.
    package func setEncryptionState(_ state: EncryptionState) async throws(StoreOpenError) {
        do {
            try await writer.perform("mark the store") { transaction in
                try transaction.db.execute(sql: "PRAGMA application_id = \(SQLiteSchema.applicationID(state))")
            }
        } catch {
            throw StoreOpenError(
                .notAccessible, "cannot mark \(path): \(error.debugDescription)", hint: "check its disk, and try again")
        }
    }

    package func rewrite(
        _ source: ThreadKey,
        as target: ThreadKey,
        _ transform: @escaping @Sendable (ThreadRow) throws(StoreError) -> ThreadRow
    ) async throws(StoreError) -> CopyOutcome {
        let found = Mutex(ThreadCopy.TargetState.empty)
        let effect = writer.effect({
            target != source && found.withLock { $0 == .empty } ? ThreadChange(target, .replaced) : nil
        })
        try await writer.perform("rewrite a thread", telling: effect) { transaction in
            if target != source {
                let state = try ThreadCopy(source, to: target, transaction).targetState()
                found.withLock { $0 = state }
                guard state == .empty else { return }
            }
            try ThreadRewriting(source, as: target, transaction).run(transform)
        }
        return found.withLock { $0 == .differs ? .targetExists : .done }
    }
}

extension SQLiteFile: SealableSource {
    package func encryptionState() async throws(StoreError) -> EncryptionState {
        try await readers.encryptionState()
    }
}

extension SQLiteReaders {
    fileprivate func encryptionState() async throws(StoreError) -> EncryptionState {
        try await perform("read the store's mark") { snapshot in
            let id = try Int32.fetchOne(snapshot.db, sql: "PRAGMA application_id") ?? 0
            guard let state = SQLiteSchema.encryptionState(id) else {
                throw StoreError(.corrupt, during: "read the store's mark", detail: "it is that of no store")
            }
            return state
        }
    }
}
