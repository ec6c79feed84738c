package import Checkpoints
import Synchronization

/// The threads of a store whose values are encrypted, for reading.
package struct EncryptedSource<Base: ThreadSource>: ThreadSource {
    private static var pageThreads: Int { 1_000 }

    private let base: Base
    private let keys: EncryptionKeys
    private let acceptsPlaintext: Bool

    package init(_ base: Base, keys: EncryptionKeys, acceptsPlaintext: Bool) {
        self.base = base
        self.keys = keys
        self.acceptsPlaintext = acceptsPlaintext
    }

    package func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        try await base.threads(after: last, limit: limit)
    }

    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        let sealer = ThreadSealer(thread, keys, acceptsPlaintext: acceptsPlaintext)
        try await base.rows(of: thread) { row throws(StoreError) in try body(sealer.open(row)) }
    }

    /// Opens every value, and says which could not be opened.
    ///
    /// Costs a read of the whole store.
    package func unopened() async throws(StoreError) -> [StoreDamage] {
        var damage: [StoreDamage] = []
        var last: ThreadKey?
        while true {
            let page = try await base.threads(after: last, limit: Self.pageThreads)
            for thread in page { damage += try await unopened(in: thread) }
            last = page.last ?? last
            if page.count < Self.pageThreads { return damage }
        }
    }

    private func unopened(in thread: ThreadKey) async throws(StoreError) -> [StoreDamage] {
        let sealer = ThreadSealer(thread, keys, acceptsPlaintext: acceptsPlaintext)
        let found = Mutex<[StoreDamage]>([])
        do throws(StoreError) {
            try await base.rows(of: thread) { row throws(StoreError) in
                do throws(StoreError) {
                    _ = try sealer.open(row)
                } catch {
                    found.withLock { $0.append(StoreDamage(row, of: thread, error.detail)) }
                }
            }
        } catch  where error.kind == .corrupt {
            // The store has found that itself.
        }
        return found.withLock { $0 }
    }
}

extension StoreDamage {
    fileprivate init(_ row: ThreadRow, of thread: ThreadKey, _ detail: String) {
        switch row {
        case .blob(let namespace, let blob):
            self.init(
                .blob, thread: thread, namespace: namespace, channel: blob.channel, version: blob.version,
                detail: detail)
        case .write(let namespace, let id, let write):
            self.init(
                .write, thread: thread, namespace: namespace, checkpointID: id, channel: write.channel,
                taskID: write.taskID, detail: detail)
        case .checkpoint(let checkpoint):
            self.init(
                .checkpoint, thread: thread, namespace: checkpoint.key.namespace, checkpointID: checkpoint.key.id,
                detail: detail)
        }
    }
}
