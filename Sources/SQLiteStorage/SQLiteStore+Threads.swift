import Checkpoints
import GRDB

extension ThreadKey {
    /// The number that stands for this thread in every other table.
    ///
    /// Nil when nothing is stored under it.
    func number(in db: Database) throws -> Int64? {
        let statement = try db.cachedStatement(sql: "SELECT thread FROM threads WHERE tenant = ? AND thread_id = ?")
        return try statement.firstRow { parameters in
            parameters.bind(tenant.name)
            parameters.bind(id)
        } _: { row in
            row.integer(0)
        }
    }
}

/// Which number stands for which thread, as the writer knows it.
///
/// Used on the writer's thread alone. Forgets everything when a transaction is rolled back.
final class ThreadNumbers {
    /// Threads whose numbers are remembered at most; past that all are forgotten, and looked up again.
    private static let limit = 50_000

    private var known: [ThreadKey: Int64] = [:]
    private var next: Int64?

    /// The number of a thread, made when it does not exist.
    func number(of thread: ThreadKey, in db: Database) throws -> Int64 {
        if let number = known[thread] { return number }
        let number = try next ?? (Int64.fetchOne(db, sql: "SELECT max(thread) FROM threads") ?? 0) + 1
        let statement = try db.cachedStatement(
            sql: "INSERT INTO threads (tenant, thread_id, thread) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        )
        try statement.run { parameters in
            parameters.bind(thread.tenant.name)
            parameters.bind(thread.id)
            parameters.bind(number)
        }
        if db.changesCount == 1 {
            next = number + 1
            remember(number, for: thread)
            return number
        }
        next = number
        guard let existing = try thread.number(in: db) else {
            throw StoreError(.unexpected, during: "look a thread up", detail: "it exists and has no row")
        }
        remember(existing, for: thread)
        return existing
    }

    func forget(_ thread: ThreadKey) {
        known[thread] = nil
    }

    func forgetAll() {
        known.removeAll(keepingCapacity: true)
        next = nil
    }

    private func remember(_ number: Int64, for thread: ThreadKey) {
        if known.count >= Self.limit { known.removeAll(keepingCapacity: true) }
        known[thread] = number
    }
}
