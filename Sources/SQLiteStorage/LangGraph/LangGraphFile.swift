package import Checkpoints
import GRDB

/// The threads of a file that LangGraph's `SqliteSaver` or `AsyncSqliteSaver` wrote, as Milepost keeps them.
///
/// Opens it read-only; a program may have it open.
package final class LangGraphFile: ThreadSource {
    private let readers: SQLiteReaders
    /// False for files of its first versions.
    private let hasTaskPath: Bool

    /// Nil when the file at `path` is none of `SqliteSaver`; throws when it cannot be read.
    package init?(path: String) throws {
        do {
            let tables = try Self.columns(path)
            guard
                tables.checkpoints.isSuperset(of: [
                    "thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "type", "checkpoint",
                    "metadata",
                ]),
                tables.writes.isSuperset(of: [
                    "thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx", "channel", "type", "value",
                ])
            else { return nil }
            hasTaskPath = tables.writes.contains("task_path")
            readers = try SQLiteReaders(path: path, count: 1)
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        }
    }

    private static func columns(_ path: String) throws -> (checkpoints: Set<String>, writes: Set<String>) {
        let database = try SQLiteConnection.reader(path: path)
        let tables = try database.read { db in
            try ["checkpoints", "writes"].map { table in
                try String.fetchSet(db, sql: "SELECT name FROM pragma_table_info('\(table)')")
            }
        }
        try database.close()
        return (tables[0], tables[1])
    }

    package func close() async {
        await readers.close()
    }

    package func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        // It knows one tenant.
        guard last.map({ $0.tenant == .default }) ?? true else { return [] }
        return try await readers.perform("list threads") { snapshot in
            let comparison = last == nil ? ">=" : ">"
            let statement = try snapshot.db.cachedStatement(
                sql: """
                    SELECT thread_id FROM checkpoints WHERE thread_id \(comparison) ?1
                    UNION
                    SELECT thread_id FROM writes WHERE thread_id \(comparison) ?1
                    ORDER BY thread_id LIMIT ?2
                    """
            )
            var keys: [ThreadKey] = []
            try statement.forEachRow { parameters in
                parameters.bind(last?.id ?? "")
                parameters.bind(Int64(limit))
            } _: { row in
                keys.append(ThreadKey(row.identifier(0)))
                return true
            }
            return keys
        }
    }

    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        guard thread.tenant == .default else { return }
        let hasTaskPath = hasTaskPath
        try await readers.perform("read a thread of LangGraph") { snapshot in
            let thread = LangGraphThread(thread, snapshot.db, hasTaskPath: hasTaskPath)
            try thread.forEachBlob(body)
            try thread.forEachWrite(body)
            try thread.forEachCheckpoint(body)
        }
    }
}
