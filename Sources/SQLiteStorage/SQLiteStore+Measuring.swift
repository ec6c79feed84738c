package import Checkpoints
import GRDB
import Glibc

extension SQLiteStore {
    package var load: StoreLoad {
        var log = stat()
        var disk = statvfs()
        return StoreLoad(
            // There is none before the first change.
            logBytes: stat(path + "-wal", &log) == 0 ? Int(log.st_size) : 0,
            diskFreeBytes: statvfs(path, &disk) == 0 ? Int(disk.f_bavail * disk.f_frsize) : nil
        )
    }

    package func measure(then answer: @escaping @Sendable (Result<StoreSizes, StoreError>) -> Void) {
        readers.perform("measure the store") { snapshot in
            func pragma(_ name: String) throws -> Int { try Int.fetchOne(snapshot.db, sql: "PRAGMA \(name)") ?? 0 }
            let page = try pragma("page_size")
            return StoreSizes(bytes: try pragma("page_count") * page, freeBytes: try pragma("freelist_count") * page)
        } then: {
            answer($0)
        }
    }

    /// Costs a look at every thread's entry in the smallest index.
    package func countThreads(then answer: @escaping @Sendable (Result<Int?, StoreError>) -> Void) {
        readers.perform("count threads") { snapshot in
            try Int.fetchOne(snapshot.db, sql: "SELECT count(*) FROM threads")
        } then: {
            answer($0)
        }
    }
}
