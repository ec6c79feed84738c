package import Checkpoints
import GRDB
import Glibc

extension SQLiteStore {
    package func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification {
        let reader: SQLiteReaders
        do {
            // On a connection of its own: it takes long, and reads of agents go on meanwhile.
            reader = try SQLiteReaders(path: path, count: 1)
        } catch {
            throw StoreError(error, during: StoreWalk.operation)
        }
        return try await StoreWalk.run(reader, report)
    }

    /// The same for a file that is not open here: another process may have it open, or none.
    ///
    /// Opens it read-only, takes no `StoreLock`, and makes no file but SQLite's own `PATH-wal` and `PATH-shm`.
    ///
    /// Throws `StoreOpenError` when there is no store at `path`, or one of another layout, and `StoreError` when it
    /// cannot be read to the end.
    package static func verify(
        path: String,
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws -> StoreVerification {
        let reader: SQLiteReaders
        do {
            try requireCurrentLayout(path, to: "verify")
            reader = try SQLiteReaders(path: path, count: 1)
        } catch let error as DatabaseError {
            throw StoreOpenError(error, path: path)
        }
        return try await StoreWalk.run(reader, report)
    }

    /// Refuses what this version cannot read as it is; `verb` says what that was for.
    static func requireCurrentLayout(_ path: String, to verb: String) throws {
        // Not by opening it: in a process that also serves it, closing would drop SQLite's locks.
        guard access(path, R_OK) == 0 else {
            throw StoreOpenError(
                .notAccessible,
                "cannot open \(path): \(String(cString: strerror(errno)))",
                hint: "give --store a store that is there and that this user may read"
            )
        }
        let database = try SQLiteConnection.reader(path: path)
        try database.read { db in
            let id = try Int32.fetchOne(db, sql: "PRAGMA application_id") ?? 0
            guard SQLiteSchema.encryptionState(id) != nil else {
                throw StoreOpenError(.foreign, "\(path) is not a store of milepost", hint: "give --store one that is")
            }
            guard try !SQLiteSchema.migrator.hasBeenSuperseded(db) else {
                throw StoreOpenError(
                    .newerSchema,
                    "\(path) was written by a newer version of milepost",
                    hint: "\(verb) it with that version"
                )
            }
            guard try SQLiteSchema.migrator.hasCompletedMigrations(db) else {
                throw StoreOpenError(
                    .olderSchema,
                    "\(path) was written by an older version of milepost",
                    hint: "\(verb) it with that version, or start 'milepost serve' on it, which brings it up to date"
                )
            }
        }
        try database.close()
    }
}

/// A walk over everything in a file, in many short snapshots: between two of them the writer can reset the log.
///
/// Each row is looked at in one snapshot together with all that it needs, so that what changes meanwhile is never taken
/// for damage.
private struct StoreWalk {
    static let operation = "verify the store"

    /// A snapshot ends once it is this old, whatever it has looked at.
    private static let snapshotLimit = Duration.milliseconds(20)
    /// Between two snapshots: a moment in which nobody holds the log.
    private static let pause = Duration.milliseconds(2)

    private let reader: SQLiteReaders
    private let report: @Sendable (VerifyProgress) -> Void
    private var checked = StoreCounts()
    private var damage: [StoreDamage] = []
    private var rowsChecked = 0
    private var rowsInAll: Int?

    private init(_ reader: SQLiteReaders, _ report: @escaping @Sendable (VerifyProgress) -> Void) {
        self.reader = reader
        self.report = report
    }

    /// Walks, and closes the connection.
    static func run(
        _ reader: SQLiteReaders,
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification {
        var walk = StoreWalk(reader, report)
        let failure: StoreError?
        do throws(StoreError) {
            try await walk.everything()
            failure = nil
        } catch {
            failure = error
        }
        await reader.close()
        if let failure { throw failure }
        return StoreVerification(checked: walk.checked, damage: walk.damage)
    }

    private mutating func everything() async throws(StoreError) {
        tell()
        damage += try await snapshot { try Self.integrityDamage($0) }
        checked.threads = try await count("threads")
        var rows = 0
        for table in WalkedTable.allCases {
            rows += try await count(table.rawValue)
        }
        rowsInAll = rows
        for table in WalkedTable.allCases {
            try await walk(table)
        }
    }

    private func tell() {
        // Rows that came meanwhile are looked at too.
        let fraction = rowsInAll.map { $0 > rowsChecked ? Double(rowsChecked) / Double($0) : 1 }
        report(VerifyProgress(checked: checked, fraction: fraction, damageCount: damage.count))
    }

    private func snapshot<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(StoreError) -> Value {
        let value = try await reader.perform(Self.operation) { try body($0.db) }
        // Cut short when the task is cancelled: then there is no pause.
        try? await Task.sleep(for: Self.pause)
        return value
    }

    // MARK: - The file

    /// SQLite's own check: pages, free pages, the order of rows, and every row's place in every index.
    ///
    /// And whether tables and indexes are those that the store made; all of it in one snapshot.
    private static func integrityDamage(_ db: Database) throws -> [StoreDamage] {
        var lines: [Substring] = []
        var definitions: [String] = []
        let failure = try StoreError.reasonOfDamage {
            lines = try String.fetchAll(db, sql: "PRAGMA integrity_check").flatMap { $0.split(separator: "\n") }
        }
        lines.removeAll { $0 == "ok" || $0.hasPrefix("***") }
        let unread = try StoreError.reasonOfDamage { definitions = try SQLiteSchema.damage(db) }
        let details = lines.map(String.init) + definitions + [failure, unread].compactMap(\.self)
        return details.map { StoreDamage(.file, detail: $0) }
    }

    /// Zero when damage keeps it from being known.
    private func count(_ table: String) async throws(StoreError) -> Int {
        try await snapshot { db in
            var count = 0
            _ = try StoreError.reasonOfDamage {
                count = try Int.fetchOne(db, sql: "SELECT count(*) FROM \(table)") ?? 0
            }
            return count
        }
    }

    // MARK: - Rows

    private enum Ending {
        /// There are more rows after this one.
        case cut
        case whole
        /// What follows could not be listed.
        case broken
    }

    private struct Page {
        var rows = 0
        var items = 0
        var damage: [StoreDamage] = []
        var last: RowKey?
        var ending = Ending.whole
    }

    /// Looks at a table's rows in the order of their keys.
    ///
    /// Where they cannot be listed, goes on from the other end.
    private mutating func walk(_ table: WalkedTable) async throws(StoreError) {
        // A walk that waited for what is stored from now on would not end while agents write faster.
        let newest = try await snapshot { try table.keys(KeyRange(isDescending: true), limit: 1, in: $0) }
        if newest.isWhole && newest.keys.isEmpty { return }
        let upwards = try await walk(table, KeyRange(through: newest.keys.first))
        guard upwards.isBroken else { return }
        let downwards = try await walk(table, KeyRange(before: upwards.last, isDescending: true))
        let gap = [
            upwards.last.map { "after \(table.name(of: $0))" }, downwards.last.map { "before \(table.name(of: $0))" },
        ]
        let place = gap.compactMap(\.self).joined(separator: " and ")
        damage.append(StoreDamage(.file, detail: "the rows of \(table.rawValue) \(place) cannot be listed"))
    }

    private mutating func walk(
        _ table: WalkedTable,
        _ range: KeyRange
    ) async throws(StoreError) -> (last: RowKey?, isBroken: Bool) {
        var last: RowKey?
        while true {
            let after = last
            let page = try await snapshot { try Self.page(table, range, after: after, $0) }
            last = page.last ?? last
            rowsChecked += page.rows
            checked[keyPath: table.count] += page.items
            damage += page.damage
            tell()
            switch page.ending {
            case .cut: continue
            case .whole: return (last, false)
            case .broken: return (last, true)
            }
        }
    }

    private static func page(
        _ table: WalkedTable,
        _ range: KeyRange,
        after: RowKey?,
        _ db: Database
    ) throws -> Page {
        let end = ContinuousClock.now + snapshotLimit
        let listed = try table.keys(range, after: after, limit: WalkedTable.pageRows, in: db)
        var page = Page(last: after)
        for key in listed.keys {
            let found = try table.check(key, after: page.last, in: db)
            page.rows += 1
            page.items += found.items
            page.damage += found.damage
            page.last = key
            if page.rows < listed.keys.count, ContinuousClock.now > end {
                page.ending = .cut
                return page
            }
        }
        page.ending = !listed.isWhole ? .broken : page.rows == WalkedTable.pageRows ? .cut : .whole
        return page
    }
}

extension StoreError {
    /// Why something cannot be read, when that is damage; nil when it can.
    ///
    /// Throws what is not damage.
    static func reasonOfDamage(_ read: () throws -> Void) throws -> String? {
        do {
            try read()
            return nil
        } catch {
            let failure = StoreError(error, during: StoreWalk.operation)
            guard failure.kind == .corrupt else { throw error }
            // Without the statement that met it.
            return (error as? DatabaseError)?.message ?? failure.detail
        }
    }
}
