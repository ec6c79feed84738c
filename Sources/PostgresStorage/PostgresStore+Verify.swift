package import Checkpoints
import JSON

extension PostgresStore {
    /// Reads every row, and says which cannot be read or are no JSON where they should be.
    ///
    /// PostgreSQL checks its own pages. This reads every row through it, every value to its last byte, and checks that what
    /// is kept as JSON is JSON.
    package func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification {
        var checked = StoreCounts()
        var damage: [StoreDamage] = []
        let total = try await ask("verify the store", PostgresStatement(VerifiedTable.estimate)) { $0.integer(0, 0) }
        for table in VerifiedTable.all(columns.texts) {
            var last: [PostgresKeyPart]?
            var limit = VerifiedTable.firstRows
            while true {
                let page: VerifiedPage
                do throws(StoreError) {
                    page = try await self.page(of: table, after: last, limit: limit)
                } catch {
                    // Large rows may take too long together. A damaged one is found by itself, then named unread.
                    if limit > 1, error.kind == .unavailable {
                        limit /= 2
                        continue
                    }
                    guard [.corrupt, .unexpected].contains(error.kind) else { throw error }
                    if limit > 1 {
                        limit = 1
                        continue
                    }
                    page = try await unreadable(in: table, after: last, error)
                }
                guard let end = page.last else { break }
                table.count(page, &checked)
                damage += page.damage
                last = end
                let fitting = limit * VerifiedTable.pageBytes / max(page.byteCount, 1)
                limit = max(1, min(limit * 2, fitting, VerifiedTable.largestPage))
                let rows = checked.checkpoints + checked.blobs + checked.writes
                let fraction = min(1, Double(rows) / Double(max(total, rows, 1)))
                report(VerifyProgress(checked: checked, fraction: fraction, damageCount: damage.count))
            }
        }
        return StoreVerification(checked: checked, damage: damage)
    }

    private func page(
        of table: VerifiedTable,
        after last: [PostgresKeyPart]?,
        limit: Int
    ) async throws(StoreError) -> VerifiedPage {
        try await ask("verify the store", table.statement(after: last, limit: limit, readsValues: true)) { result in
            table.page(result, after: last)
        }
    }

    private func unreadable(
        in table: VerifiedTable,
        after last: [PostgresKeyPart]?,
        _ error: StoreError
    ) async throws(StoreError) -> VerifiedPage {
        try await ask("verify the store", table.statement(after: last, limit: 1, readsValues: false)) { result in
            var page = table.page(result, after: last)
            if let key = page.last { page.damage = [table.damage(at: key, "it cannot be read: \(error.detail)")] }
            return page
        }
    }
}

/// Some rows of a table and what is wrong with them.
private struct VerifiedPage: Sendable {
    var count = 0
    var byteCount = 0
    /// Threads of which the first row is here, and none in a table before.
    var threads = 0
    var damage: [StoreDamage] = []
    /// The key of the last row; nil when there was none.
    var last: [PostgresKeyPart]?
}

/// One of LangGraph's tables, walked in the order of its key.
private struct VerifiedTable: Sendable {
    /// Rows read at once: few at first, then as many as come to about `pageBytes`.
    static let firstRows = 8
    static let largestPage = 100
    static let pageBytes = 4 << 20

    let name: String
    let kind: StoreDamage.Kind
    /// The primary key's columns; all are texts but `idx`.
    let key: [String]
    /// What is read of a row: two JSON texts, or a digest, which makes the server read all of a value.
    let values: String
    /// Whether a row's thread was counted in a table before.
    let isCounted: String

    /// `texts`: the columns that give a checkpoint's texts.
    static func all(_ texts: String) -> [VerifiedTable] {
        [checkpoints(texts), blobs, writes]
    }

    private static func checkpoints(_ texts: String) -> VerifiedTable {
        VerifiedTable(
            name: "checkpoints",
            kind: .checkpoint,
            key: ["thread_id", "checkpoint_ns", "checkpoint_id"],
            values: texts,
            isCounted: "false"
        )
    }

    private static let blobs = VerifiedTable(
        name: "checkpoint_blobs",
        kind: .blob,
        key: ["thread_id", "checkpoint_ns", "channel", "version"],
        values: "md5(blob), octet_length(blob)",
        isCounted: "EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = walked.thread_id)"
    )

    private static let writes = VerifiedTable(
        name: "checkpoint_writes",
        kind: .write,
        key: ["thread_id", "checkpoint_ns", "checkpoint_id", "task_id", "idx"],
        values: "md5(blob), octet_length(blob)",
        isCounted: """
            EXISTS (SELECT 1 FROM checkpoints WHERE thread_id = walked.thread_id)
            OR EXISTS (SELECT 1 FROM checkpoint_blobs WHERE thread_id = walked.thread_id)
            """
    )

    static let estimate = StatementText(
        "verify_estimate",
        """
        SELECT coalesce(sum(greatest(reltuples, 0)), 0)::int8 FROM pg_class
        WHERE oid IN (to_regclass('checkpoints'), to_regclass('checkpoint_blobs'), to_regclass('checkpoint_writes'))
        """
    )

    func statement(after last: [PostgresKeyPart]?, limit: Int, readsValues: Bool) -> PostgresStatement {
        var parameters = PostgresParameters()
        parameters.add(Int64(limit))
        var condition = ""
        if let last {
            let places = last.indices.map { "$\($0 + 2)" }.joined(separator: ", ")
            condition = "WHERE (\(key.joined(separator: ", "))) > (\(places))"
            for part in last { parameters.add(part) }
        }
        let columns = key.joined(separator: ", ")
        let name = "verify_\(name)_\(last == nil ? "first" : "next")_\(readsValues ? "values" : "keys")"
        let sql = """
            SELECT \(columns), \(isCounted), \(readsValues ? values : "NULL, NULL")
            FROM \(self.name) AS walked \(condition) ORDER BY \(columns) LIMIT $1
            """
        return PostgresStatement(StatementText(name, sql, isPrepared: false), parameters)
    }

    func page(_ result: borrowing PostgresResult, after last: [PostgresKeyPart]?) -> VerifiedPage {
        var page = VerifiedPage(count: result.rowCount)
        var thread = last?.first
        for row in 0..<result.rowCount {
            let key = self.key.indices.map { column in
                self.key[column] == "idx"
                    ? PostgresKeyPart.integer(Int32(truncatingIfNeeded: result.integer(row, column)))
                    : .text(result.identifier(row, column))
            }
            if key.first != thread, !result.isTrue(row, key.count) { page.threads += 1 }
            thread = key.first
            page.last = key
            // Of a value that was only digested, the length stands in the last column.
            let isLength = kind != .checkpoint && !result.isNull(row, key.count + 2)
            page.byteCount += isLength ? result.integer(row, key.count + 2) : result.byteCount(row)
            guard kind == .checkpoint else { continue }
            for (column, what) in [(key.count + 1, "document"), (key.count + 2, "metadata")] {
                guard let text = result.optionalBytes(row, column) else { continue }
                do {
                    _ = try JSONText(parsing: text)
                } catch {
                    page.damage.append(damage(at: key, "its \(what) is not JSON: \(error)"))
                }
            }
        }
        return page
    }

    func count(_ page: VerifiedPage, _ checked: inout StoreCounts) {
        checked.threads += page.threads
        switch kind {
        case .checkpoint: checked.checkpoints += page.count
        case .blob: checked.blobs += page.count
        default: checked.writes += page.count
        }
    }

    func damage(at key: [PostgresKeyPart], _ detail: String) -> StoreDamage {
        func part(_ column: String) -> Identifier? {
            guard let place = self.key.firstIndex(of: column), case .text(let text) = key[place] else { return nil }
            return text
        }
        return StoreDamage(
            kind,
            thread: part("thread_id").map { ThreadKey(storedID: $0) },
            namespace: part("checkpoint_ns"),
            checkpointID: part("checkpoint_id"),
            channel: part("channel"),
            version: part("version"),
            taskID: part("task_id"),
            detail: detail
        )
    }
}
