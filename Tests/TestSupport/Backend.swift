package import Checkpoints
import Encryption
import PostgresStorage
import SQLiteStorage

/// A store to run the conformance suite on.
///
/// To add a store: a case here, and the suite says when it is done.
package enum Backend: String, CaseIterable, Sendable {
    case memory
    case sqlite
    case postgres
    /// PostgreSQL in tables that LangGraph made, in a database whose collation is not that of bytes.
    case adopted
    case encryptedMemory
    case encryptedSQLite
    case encryptedPostgres

    package typealias Store = RetainingStore & StoreMaintenance & ThreadTransfer

    /// Those that outlive the process.
    package static let durable: [Backend] = [.sqlite, .postgres, .adopted, .encryptedSQLite, .encryptedPostgres]

    /// A new store that keeps its files in `directory`, or the one that was there before.
    package func open(in directory: TemporaryDirectory) throws -> any Store {
        switch self {
        case .memory: return MemoryStore()
        case .sqlite: return try sqlite(directory)
        case .postgres: return try postgres(directory)
        case .adopted:
            return try PostgresStore(ConnectionString(LangGraphTables.schema(named: directory.name)))
        case .encryptedMemory: return EncryptedStore(MemoryStore(), keys: try .sample())
        case .encryptedSQLite: return EncryptedStore(try sqlite(directory), keys: try .sample())
        case .encryptedPostgres: return EncryptedStore(try postgres(directory), keys: try .sample())
        }
    }

    private func sqlite(_ directory: TemporaryDirectory) throws -> SQLiteStore {
        try SQLiteStore(path: directory.file("store.db"))
    }

    private func postgres(_ directory: TemporaryDirectory) throws -> PostgresStore {
        try PostgresStore(ConnectionString(PostgresServer.schema(named: directory.name)))
    }

    /// Runs `body` on a store of its own, then verifies and closes it: each test also tests integrity.
    package func withStore<Value: Sendable>(_ body: (any Store) async throws -> Value) async throws -> Value {
        if isPostgres { await PostgresServer.turns.take() }
        let result: Result<Value, any Error>
        do {
            result = .success(try await withStoreInTurn(body))
        } catch {
            result = .failure(error)
        }
        if isPostgres { await PostgresServer.turns.giveBack() }
        return try result.get()
    }

    /// Whether it needs one of `PostgresServer.turns`.
    package var isPostgres: Bool { [.postgres, .adopted, .encryptedPostgres].contains(self) }

    private func withStoreInTurn<Value>(_ body: (any Store) async throws -> Value) async throws -> Value {
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
