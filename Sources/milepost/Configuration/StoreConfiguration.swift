import Checkpoints
import SQLiteStorage

/// The store that a `--store` URL names.
enum StoreConfiguration: Hashable {
    /// Nothing outlives the process.
    case memory
    /// One SQLite file.
    case sqlite(path: String)

    init(url: String) throws(StartError) {
        if url == "memory:" {
            self = .memory
        } else if url.hasPrefix("sqlite:") {
            let path = String(url.dropFirst("sqlite:".count))
            guard !path.isEmpty else {
                throw .usage("--store sqlite: has no path; give one, as in sqlite:milepost.db")
            }
            self = .sqlite(path: path)
        } else {
            throw .usage("--store '\(url)' is not known; use sqlite:PATH or memory:")
        }
    }

    /// Opens it; a file that does not exist is made.
    func open() throws(StoreOpenError) -> any CheckpointStore & StoreMaintenance {
        switch self {
        case .memory: MemoryStore()
        case .sqlite(let path): try SQLiteStore(path: path)
        }
    }

    /// Looks for damage in it without opening it to serve: a server may have it open meanwhile.
    ///
    /// Nothing is made and nothing is changed.
    func verify(_ report: @escaping @Sendable (VerifyProgress) -> Void) async throws -> StoreVerification {
        switch self {
        case .memory:
            throw StartError.usage("--store memory: is in its server alone and cannot be verified; use sqlite:PATH")
        case .sqlite(let path):
            do {
                return try await SQLiteStore.verify(path: path, report)
            } catch let error as StoreOpenError {
                throw StartError.machine(error.description)
            } catch let error as StoreError {
                throw StartError.machine("\(error.debugDescription) in \(path); try again, and check its disk")
            }
        }
    }

    /// For the log.
    var description: String {
        switch self {
        case .memory: "memory:"
        case .sqlite(let path): "sqlite:\(path)"
        }
    }
}
