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
            parameters.bind(packed: id)
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
    /// Greater than any number given so far, also in transactions that were rolled back: `RecentBlobs` relies on numbers
    /// that are never used twice while the process runs.
    private var next: Int64

    /// Begins after every number in the file, also of rows whose thread damage has taken.
    init(_ db: Database) throws {
        let numbers = try ["threads", "checkpoints", "blobs"].map { table in
            try Int64.fetchOne(db, sql: "SELECT max(thread) FROM \(table)") ?? 0
        }
        next = (numbers.max() ?? 0) + 1
    }

    /// The number of a thread, made when it does not exist.
    func number(of thread: ThreadKey, in db: Database) throws -> Int64 {
        if let number = known[thread] { return number }
        let number = unused()
        let statement = try db.cachedStatement(
            sql: "INSERT INTO threads (tenant, thread_id, thread) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        )
        try statement.run { parameters in
            parameters.bind(thread.tenant.name)
            parameters.bind(packed: thread.id)
            parameters.bind(number)
        }
        if db.changesCount == 1 {
            remember(number, for: thread)
            return number
        }
        guard let existing = try thread.number(in: db) else {
            throw StoreError(.unexpected, during: "look a thread up", detail: "it exists and has no row")
        }
        remember(existing, for: thread)
        return existing
    }

    /// A number that stands for nothing and is given to nobody else.
    func unused() -> Int64 {
        defer { next += 1 }
        return next
    }

    func forget(_ thread: ThreadKey) {
        known[thread] = nil
    }

    func forgetAll() {
        known.removeAll(keepingCapacity: true)
    }

    private func remember(_ number: Int64, for thread: ThreadKey) {
        if known.count >= Self.limit { known.removeAll(keepingCapacity: true) }
        known[thread] = number
    }
}
