package import Checkpoints
import SQLiteStorage

/// A store to run the conformance suite on.
///
/// To add a store: a case here, and the suite says when it is done.
package enum Backend: String, CaseIterable, Sendable {
    case memory
    case sqlite

    package typealias Store = CheckpointStore & StoreMaintenance

    /// A new store that keeps its files in `directory`.
    package func open(in directory: TemporaryDirectory) throws -> any Store {
        switch self {
        case .memory: MemoryStore()
        case .sqlite: try SQLiteStore(path: directory.file("store.db"))
        }
    }

    /// Runs `body` on a store of its own, then verifies and closes it: each test also tests integrity.
    package func withStore<Value>(_ body: (any Store) async throws -> Value) async throws -> Value {
        let directory = try TemporaryDirectory()
        let store = try open(in: directory)
        let value: Value
        do {
            value = try await body(store)
            let problems = try await store.verify()
            guard problems.isEmpty else { throw DamagedStore(problems: problems) }
        } catch {
            await store.close()
            throw error
        }
        await store.close()
        return value
    }
}

/// What `verify` found after a test.
package struct DamagedStore: Error {
    package let problems: [StoreDamage]
}
