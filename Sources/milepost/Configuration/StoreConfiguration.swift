import Checkpoints
import Encryption
import Glibc
import Observability
import PostgresStorage
import SQLiteStorage

/// The store that a `--store` URL names.
enum StoreConfiguration: Hashable {
    /// Nothing outlives the process.
    case memory
    /// One SQLite file.
    case sqlite(path: String)
    /// A PostgreSQL database.
    case postgres(ConnectionString)

    /// `passwordFile` is where the password of a PostgreSQL user stands; a line break at its end does not count.
    init(url: String, passwordFile: String? = nil) throws(StartError) {
        if url == "memory:" {
            self = .memory
        } else if url.hasPrefix("sqlite:") {
            let path = String(url.dropFirst("sqlite:".count))
            guard !path.isEmpty else {
                throw .usage("--store sqlite: has no path; give one, as in sqlite:milepost.db")
            }
            self = .sqlite(path: path)
        } else if ConnectionString.isNamed(by: url) {
            let password = try passwordFile.map(Self.password)
            do {
                self = .postgres(try ConnectionString(url, password: password))
            } catch {
                throw .usage("--store: \(error.description)")
            }
            return
        } else {
            // What is not understood may be a connection string with a password in it.
            let shown = url.contains("@") || url.contains("password") ? "" : " '\(url)'"
            throw .usage("--store\(shown) is not known; use sqlite:PATH, postgresql://USER@HOST/DATABASE or memory:")
        }
        if passwordFile != nil {
            throw .usage("store-password-file is for PostgreSQL alone; leave it out, or give a postgresql:// store")
        }
    }

    private static func password(in file: String) throws(StartError) -> String {
        try SecretFile.read(file, what: "password", option: "store-password-file")
    }

    /// Opens it, encrypted when there are keys; what does not exist is made.
    ///
    /// What it does is shown by `metrics`.
    func open(
        keys: EncryptionKeys?,
        metrics: ServerMetrics
    ) async throws(StoreOpenError) -> any RetainingStore & StoreMaintenance {
        let store = try await Self.opened(base(metrics), keys)
        metrics.show(store)
        return store
    }

    /// Opens it as it is, encrypted or not.
    private func base(_ metrics: ServerMetrics? = nil) throws(StoreOpenError) -> any SealableStore {
        switch self {
        case .memory: MemoryStore()
        case .sqlite(let path): try SQLiteStore(path: path, observer: metrics.map { StoreMetrics(.sqlite, $0.factory) })
        case .postgres(let target):
            try PostgresStore(target, observer: metrics.map { StoreMetrics(.postgres, $0.factory) })
        }
    }

    private static func opened(
        _ base: some SealableStore,
        _ keys: EncryptionKeys?
    ) async throws(StoreOpenError) -> any RetainingStore & StoreMaintenance & ThreadTransfer {
        do throws(StoreOpenError) {
            return try await openStore(base, keys: keys)
        } catch {
            await base.close()
            throw error
        }
    }

    /// Looks for damage in it: a server may have it open meanwhile.
    ///
    /// With keys, also for values that they do not open. Of an SQLite file nothing is changed, and none is made.
    func verify(
        keys: EncryptionKeys?,
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws -> StoreVerification {
        do {
            switch self {
            case .memory:
                throw StartError.usage("--store memory: is in its server alone and cannot be verified; use sqlite:PATH")
            case .sqlite(let path):
                let found = try await SQLiteStore.verify(path: path, report)
                guard let keys else { return found }
                let file = try SQLiteFile(path: path)
                return try await Self.run(file) {
                    found.adding(try await unopened(in: $0, keys: keys))
                } close: {
                    await file.close()
                }
            case .postgres(let target):
                let store = try PostgresStore(target, isReadOnly: true)
                return try await Self.run(store) {
                    let found = try await $0.verify(report)
                    guard let keys else { return found }
                    return found.adding(try await unopened(in: $0, keys: keys))
                } close: {
                    await store.close()
                }
            }
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        } catch let error as StoreError {
            throw StartError.machine("\(error.debugDescription) in \(description); try again, and check its disk")
        }
    }

    /// Runs `body` on its threads, for reading: a server may have it open meanwhile.
    ///
    /// Values that are encrypted are opened. A file of LangGraph's `SqliteSaver` is read too, and a database that its
    /// `PostgresSaver` alone has used.
    func withSource(keys: EncryptionKeys?, _ body: (any ThreadSource) async throws -> Void) async throws {
        switch self {
        case .memory:
            throw StartError.usage("--store memory: is in its server alone and cannot be exported; use sqlite:PATH")
        case .postgres(let target):
            let store = try PostgresStore(target, isReadOnly: true)
            try await Self.run(store) {
                try await body(openSource($0, keys: keys))
            } close: {
                await store.close()
            }
        case .sqlite(let path):
            do {
                let file = try SQLiteFile(path: path)
                try await Self.run(file) {
                    try await body(openSource($0, keys: keys))
                } close: {
                    await file.close()
                }
            } catch let error as StoreOpenError where error.kind == .foreign {
                guard let file = try LangGraphFile(path: path) else {
                    throw StartError.machine(
                        "\(path) is neither a store of milepost nor a file of LangGraph's SqliteSaver; give --store one"
                    )
                }
                try await Self.run(file, body) { await file.close() }
            }
        }
    }

    /// Refuses a store that nothing can be imported into.
    func requireTarget() throws(StartError) {
        if case .memory = self { throw .usage("--store memory: ends with the import; use sqlite:PATH") }
    }

    /// Runs `body` on it, opened as a server opens it; a file that does not exist is made.
    func withTarget(keys: EncryptionKeys?, _ body: (any ThreadTransfer) async throws -> Void) async throws {
        try requireTarget()
        let store = try await Self.opened(base(), keys)
        try await Self.run(store, body) { await store.close() }
    }

    /// Runs `body` on it as it is stored; a file that does not exist is made.
    func withBase<Value>(_ body: (any SealableStore) async throws -> Value) async throws -> Value {
        let store = try base()
        return try await Self.run(store, body) { await store.close() }
    }

    /// Runs `body` on what can be said of its threads' age: a server may have it open meanwhile, and nothing is changed.
    func withRetentionSource<Value>(_ body: (any RetentionSource) async throws -> Value) async throws -> Value {
        do {
            switch self {
            case .memory:
                throw StartError.usage("--store memory: is in its server alone and cannot be pruned; use sqlite:PATH")
            case .sqlite(let path):
                let file = try SQLiteFile(path: path)
                return try await Self.run(file) {
                    try await body($0)
                } close: {
                    await file.close()
                }
            case .postgres(let target):
                let store = try PostgresStore(target, isReadOnly: true)
                return try await Self.run(store) {
                    try await body($0)
                } close: {
                    await store.close()
                }
            }
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
    }

    /// Runs `body` on it to take something away; a store that does not exist is not made.
    func withRetainingStore<Value>(_ body: (any RetainingStore) async throws -> Value) async throws -> Value {
        try await withRetentionSource { _ in }
        do {
            return try await withBase { try await body($0) }
        } catch let error as StoreOpenError where error.kind == .locked {
            throw StartError.machine(
                "\(error.problem); set the policy in that server (retain-idle, retain-age, retain-last or retention-file), or stop it"
            )
        } catch let error as StoreOpenError {
            throw StartError.machine(error.description)
        }
    }

    private static func run<Store, Value>(
        _ store: Store,
        _ body: (Store) async throws -> Value,
        close: () async -> Void
    ) async throws -> Value {
        let value: Value
        do {
            value = try await body(store)
        } catch {
            await close()
            throw error
        }
        await close()
        return value
    }

    /// For the log: without a password.
    var description: String {
        switch self {
        case .memory: "memory:"
        case .sqlite(let path): "sqlite:\(path)"
        case .postgres(let target): target.description
        }
    }
}

extension StoreVerification {
    fileprivate func adding(_ more: [StoreDamage]) -> StoreVerification {
        StoreVerification(checked: checked, damage: damage + more)
    }
}
