package import Checkpoints
package import GRDB
import JSON

extension SQLiteStore: StoreMaintenance {
    package func deleteThread(_ thread: ThreadKey) async throws(StoreError) {
        try await writer.perform("delete a thread") { db in
            guard let number = try thread.number(in: db) else { return }
            for table in ["checkpoints", "blobs", "writes", "threads"] {
                let statement = try db.cachedStatement(sql: "DELETE FROM \(table) WHERE thread = ?")
                try statement.execute(arguments: [number])
            }
        }
    }

    package func probe() async throws(StoreError) {
        try await writer.perform("probe the store") { db in
            let statement = try db.cachedStatement(
                sql: """
                    INSERT INTO probes (probe, count) VALUES (1, 1)
                    ON CONFLICT (probe) DO UPDATE SET count = count + 1
                    """
            )
            try statement.execute()
        }
    }

    package func verify() async throws(StoreError) -> [String] {
        try await read("verify the store") { db in
            let pages = try String.fetchAll(db, sql: "PRAGMA integrity_check").filter { $0 != "ok" }
            return try pages + Self.rowsWithoutThread(db) + Self.unreadableDocuments(db)
        }
    }

    private static func rowsWithoutThread(_ db: Database) throws -> [String] {
        try ["checkpoints", "blobs", "writes"].compactMap { table in
            let count =
                try Int.fetchOne(
                    db,
                    sql: "SELECT count(*) FROM \(table) WHERE thread NOT IN (SELECT thread FROM threads)"
                ) ?? 0
            return count == 0 ? nil : "\(count) rows of \(table) belong to no thread"
        }
    }

    private static func unreadableDocuments(_ db: Database) throws -> [String] {
        let rows = try Row.fetchCursor(db, sql: "SELECT checkpoint, metadata, document FROM checkpoints")
        var problems: [String] = []
        while let row = try rows.next() {
            for (name, column) in [("metadata", 1), ("document", 2)] {
                do {
                    _ = try row.json(column).value
                } catch let error as JSONError {
                    problems.append("the \(name) of checkpoint row \(row[0] as Int64) is damaged: \(error)")
                }
            }
        }
        return problems
    }
}

extension SQLiteStore {
    /// Runs `body` on the writer's connection between two of its transactions: to look at its settings, or to set one.
    ///
    /// Changes of rows belong into `SQLiteWriter`.
    package func onWriter<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        try await pool.writeWithoutTransaction(body)
    }

    /// Transactions committed since the store was opened.
    package var commitCount: Int { writer.commitCount }
}
