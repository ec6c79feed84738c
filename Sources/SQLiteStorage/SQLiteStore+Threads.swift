import Checkpoints
import GRDB

extension ThreadKey {
    /// The number that stands for this thread in every other table.
    ///
    /// Nil when nothing is stored under it.
    func number(in db: Database) throws -> Int64? {
        let statement = try db.cachedStatement(
            sql: "SELECT thread FROM threads WHERE tenant = ? AND thread_id = ?"
        )
        return try Int64.fetchOne(statement, arguments: [tenant.name, id.text])
    }

    /// The same, making the thread when it does not exist.
    ///
    /// For the writer only.
    func numberForWriting(in db: Database) throws -> Int64 {
        if let number = try number(in: db) { return number }
        let statement = try db.cachedStatement(sql: "INSERT INTO threads (tenant, thread_id) VALUES (?, ?)")
        try statement.execute(arguments: [tenant.name, id.text])
        return db.lastInsertedRowID
    }
}
