import Checkpoints
import Encryption
import GRDB
import JSON
import PostgresStorage
import SQLiteStorage
import TestSupport

/// A store on a disk, and a way around it.
enum Engine: String, CaseIterable, Sendable {
    case sqlite
    case postgres

    func open(_ directory: TemporaryDirectory) throws -> any SealableStore {
        switch self {
        case .sqlite: try SQLiteStore(path: directory.file("store.db"))
        case .postgres: try PostgresStore(ConnectionString(PostgresServer.schema(named: directory.name)))
        }
    }

    /// Runs a statement that knows nothing of keys, while no store is open.
    func execute(_ sql: String, _ directory: TemporaryDirectory) throws {
        switch self {
        case .sqlite:
            let database = try DatabaseQueue(path: directory.file("store.db"))
            try database.write { db in
                try db.execute(sql: sql)
                guard db.changesCount == 1 else { throw Unchanged() }
            }
            try database.close()
        case .postgres:
            let target = try PostgresServer.schema(named: directory.name)
            guard try PostgresServer.execute(sql + " RETURNING 1", on: target) == ["1"] else { throw Unchanged() }
        }
    }

    struct Unchanged: Error {}

    /// Runs `body` on an encrypted store that is opened for it and closed.
    func withEncrypted<Value>(
        _ directory: TemporaryDirectory,
        _ keys: EncryptionKeys? = nil,
        _ body: (any ThreadStore & StoreMaintenance & ThreadTransfer) async throws -> Value
    ) async throws -> Value {
        let keys = try keys ?? .sample()
        return try await withBase(directory) { base in
            try await body(Self.opened(base, keys))
        }
    }

    func withBase<Value>(
        _ directory: TemporaryDirectory,
        _ body: (any SealableStore) async throws -> Value
    ) async throws -> Value {
        if self == .postgres { await PostgresServer.turns.take() }
        let result: Result<Value, any Error>
        do {
            let store = try open(directory)
            do {
                result = .success(try await body(store))
            } catch {
                result = .failure(error)
            }
            await store.close()
        } catch {
            result = .failure(error)
        }
        if self == .postgres { await PostgresServer.turns.giveBack() }
        return try result.get()
    }

    static func opened(
        _ base: some SealableStore,
        _ keys: EncryptionKeys?
    ) async throws -> any ThreadStore & StoreMaintenance & ThreadTransfer {
        try await openStore(base, keys: keys)
    }
}

/// Two threads of one tenant and one of another, alike but for their contents.
enum Planted {
    static let threads = [ThreadKey("t1"), ThreadKey("t2"), ThreadKey("t1", tenant: Tenant(name: "acme"))]

    /// Puts are one after the other, so that SQLite's rows are numbered in this order.
    static func fill(_ store: any ThreadStore, secret: String = "secret") async throws {
        for (number, thread) in threads.enumerated() {
            func bytes(_ what: String) -> [UInt8] { Array("\(secret) \(what) of \(number)".utf8) }
            for (id, version) in [("c1", "1"), ("c2", "2")] {
                let document = """
                    {"v":4,"id":"\(id)","channel_versions":{"a":"\(version)","b":"1"},
                    "channel_values":{"n":"\(secret) inline of \(number)"}}
                    """
                let key = CheckpointKey.sample(Identifier(id), thread: thread)
                let blobs = [
                    ChannelBlob.sample("a", Identifier(version), bytes("a\(version)")), .sample("b", "1", bytes("b1")),
                ]
                try await store.put(
                    .sample(
                        key, parent: id == "c2" ? "c1" : nil, document: JSONText(parsing: Array(document.utf8)),
                        metadata: #"{"open":"metadata"}"#),
                    blobs: blobs
                )
            }
            for task in ["x", "y"] as [Identifier] {
                let writes = [
                    PendingWrite.sample(task, 0, bytes("\(task) 0")), .sample(task, 1, bytes("\(task) 1")),
                ]
                try await store.putWrites(writes, for: .sample(thread: thread), onConflict: .keepFirst)
            }
        }
    }
}
