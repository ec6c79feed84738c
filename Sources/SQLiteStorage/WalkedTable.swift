import Checkpoints
import GRDB
import JSON

/// A row's key, as its table's `keyColumns` list it, and the row's number if it has one.
typealias RowKey = [KeyPart]

/// A value of a key, exactly as it is stored: a damaged text need not be UTF-8, and is found by its bytes alone.
enum KeyPart: Hashable, Sendable {
    case integer(Int64)
    case text([UInt8])
    /// What `PackedKey` makes.
    case packed([UInt8])
}

/// Part of a table in the order of its key; all of it when nothing is given.
struct KeyRange: Sendable {
    /// Its greatest key, included.
    var through: RowKey?
    /// Its end when it is read downwards, not included.
    var before: RowKey?
    var isDescending = false
}

/// A table that a walk looks at row by row: how its rows are listed, and what can be wrong with one.
///
/// Rows are listed by an index and then read one by one. So a page that is damaged takes only
/// its own rows along, and these have their names; and the versions of a channel come together, as chains need them.
enum WalkedTable: String, CaseIterable, Sendable {
    case checkpoints
    case blobs
    case writes

    /// Rows listed at a time.
    static let pageRows = 256

    /// What of `StoreCounts` its rows count as.
    var count: any WritableKeyPath<StoreCounts, Int> & Sendable {
        switch self {
        case .checkpoints: \.checkpoints
        case .blobs: \.blobs
        case .writes: \.writes
        }
    }

    /// In the order of the index that lists them.
    private var keyColumns: [String] {
        switch self {
        case .checkpoints: ["thread", "checkpoint_ns", "checkpoint_id"]
        case .blobs: ["thread", "checkpoint_ns", "channel", "version"]
        case .writes: ["checkpoint_id", "thread_id", "tenant", "checkpoint_ns", "task_id"]
        }
    }

    /// The row's number, listed after its key.
    private var rowColumn: String {
        switch self {
        case .checkpoints: "checkpoint"
        case .blobs: "blob"
        case .writes: "write"
        }
    }

    // MARK: - Listing

    /// The next keys of a range, and whether they could be listed as far as was asked.
    func keys(
        _ range: KeyRange,
        after last: RowKey? = nil,
        limit: Int,
        in db: Database
    ) throws -> (keys: [RowKey], isWhole: Bool) {
        let key = keyColumns.joined(separator: ", ")
        let marks = keyColumns.map { _ in "?" }.joined(separator: ", ")
        var conditions: [String] = []
        var bounds: [RowKey] = []
        for (comparison, bound) in [
            (range.isDescending ? "<" : ">", last), ("<=", range.through), (">", range.before),
        ] {
            guard let bound else { continue }
            conditions.append("(\(key)) \(comparison) (\(marks))")
            bounds.append(Array(bound.prefix(keyColumns.count)))
        }
        let columns = keyColumns + [rowColumn]
        let statement = try db.cachedStatement(
            sql: """
                SELECT \(columns.joined(separator: ", ")) FROM \(rawValue)
                \(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "))
                ORDER BY \(keyColumns.map { $0 + (range.isDescending ? " DESC" : "") }.joined(separator: ", "))
                LIMIT \(limit)
                """
        )
        var keys: [RowKey] = []
        let failure = try StoreError.reasonOfDamage {
            try statement.forEachRow { parameters in
                for bound in bounds { parameters.bind(bound) }
            } _: { row in
                keys.append(columns.indices.map { row.keyPart(Int32($0)) })
                return true
            }
        }
        return (keys, failure == nil)
    }

    /// For a message.
    func name(of key: RowKey) -> String {
        let parts = zip(keyColumns, key).map { column, part in
            switch part {
            case .integer(let value): "\(column) \(value)"
            case .text, .packed:
                "\(column) \((column == "version" ? part.version : part.identifier).text.quotedForOneLine)"
            }
        }
        return "(" + parts.joined(separator: ", ") + ")"
    }

    // MARK: - Looking

    /// What is wrong with a row, and how many items of `count` it holds; `previous` is the key looked at before.
    func check(
        _ key: RowKey,
        after previous: RowKey?,
        in db: Database
    ) throws -> (items: Int, damage: [StoreDamage]) {
        switch self {
        case .checkpoints: (1, try Self.checkpointDamage(key, db))
        case .blobs: (1, try Self.blobDamage(key, db))
        case .writes: try Self.writesDamage(key, isFirstOfPlace: previous?.prefix(4) != key.prefix(4), db)
        }
    }

    private static func checkpointDamage(_ key: RowKey, _ db: Database) throws -> [StoreDamage] {
        let (row, owner) = (key.integer(3), try Owner(of: key.integer(0), db))
        func damage(_ kind: StoreDamage.Kind, _ detail: String) -> StoreDamage {
            StoreDamage(
                kind,
                thread: owner.thread,
                namespace: key.identifier(1),
                checkpointID: key.identifier(2),
                detail: "checkpoint row \(row): \(detail)"
            )
        }
        // What belongs to no thread has no whole name to be read under.
        let reason = try owner.thread.flatMap { thread in
            let checkpoint = CheckpointKey(thread: thread, namespace: key.identifier(1), id: key.identifier(2))
            return try StoreError.reasonOfDamage { try readDocuments(of: checkpoint, row, db) }
        }
        return [owner.loss.map { damage(.orphan, $0) }, reason.map { damage(.checkpoint, $0) }].compactMap(\.self)
    }

    private static func blobDamage(_ key: RowKey, _ db: Database) throws -> [StoreDamage] {
        let (row, owner) = (key.integer(4), try Owner(of: key.integer(0), db))
        func damage(_ kind: StoreDamage.Kind, _ detail: String) -> StoreDamage {
            StoreDamage(
                kind,
                thread: owner.thread,
                namespace: key.identifier(1),
                channel: key.identifier(2),
                version: key[3].version,
                detail: detail
            )
        }
        let reason = try owner.thread.flatMap { thread in
            let channel = RowName.Channel(thread, key.identifier(1), key.identifier(2))
            return try StoreError.reasonOfDamage { try readBlob(of: channel, key[3].version, row, db) }
        }
        return [owner.loss.map { damage(.orphan, "blob row \(row): \($0)") }, reason.map { damage(.blob, $0) }]
            .compactMap(\.self)
    }

    private static func writesDamage(
        _ key: RowKey,
        isFirstOfPlace: Bool,
        _ db: Database
    ) throws -> (items: Int, damage: [StoreDamage]) {
        let thread = ThreadKey(key.identifier(1), tenant: Tenant(name: key.identifier(2)))
        let checkpoint = CheckpointKey(thread: thread, namespace: key.identifier(3), id: key.identifier(0))
        func damage(_ kind: StoreDamage.Kind, task: Identifier? = nil, _ detail: String) -> StoreDamage {
            StoreDamage(
                kind,
                thread: thread,
                namespace: checkpoint.namespace,
                checkpointID: checkpoint.id,
                taskID: task,
                detail: detail
            )
        }
        var found: [StoreDamage] = []
        if isFirstOfPlace, let loss = try lossOfPlace(checkpoint, db) {
            found.append(damage(.unplaced, loss))
        }
        var items = 0
        let task = key.identifier(4)
        let reason = try StoreError.reasonOfDamage {
            items = try readWrites(of: task, after: checkpoint, row: key.integer(5), db)
        }
        if let reason {
            found.append(damage(.write, task: task, "write row \(key.integer(5)): \(reason)"))
        }
        return (items, found)
    }

    /// Why deleting their thread would not find a checkpoint's writes; nil when it would.
    private static func lossOfPlace(_ checkpoint: CheckpointKey, _ db: Database) throws -> String? {
        let statement = try db.cachedStatement(
            sql: """
                SELECT 1 FROM awaited_checkpoints
                WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ?
                UNION ALL
                SELECT 1 FROM threads JOIN checkpoints USING (thread)
                WHERE checkpoint_id = ? AND thread_id = ? AND tenant = ? AND checkpoint_ns = ?
                """
        )
        var isKnown = false
        let reason = try StoreError.reasonOfDamage {
            isKnown = try statement.hasRow { parameters in
                parameters.bind(checkpoint)
                parameters.bind(checkpoint.id)
                parameters.bind(packed: checkpoint.thread.id)
                parameters.bind(checkpoint.thread.tenant.name)
                parameters.bind(checkpoint.namespace)
            }
        }
        if let reason { return reason }
        return isKnown ? nil : "its writes belong to no checkpoint, and none is awaited there"
    }

    // MARK: - Reading a row

    /// Reads a checkpoint's document and metadata as an agent's call would.
    private static func readDocuments(of key: CheckpointKey, _ row: Int64, _ db: Database) throws {
        let statement = try db.cachedStatement(
            sql: "SELECT parent_checkpoint_id, encoding, payload FROM checkpoints WHERE checkpoint = ?"
        )
        let isThere: Void? = try statement.firstRow { parameters in
            parameters.bind(row)
        } _: { row in
            let checkpoint = try StoredCheckpoint.read(key, in: row, from: 0)
            for (name, text) in [("metadata", checkpoint.metadata), ("document", checkpoint.document)] {
                do throws(JSONError) {
                    _ = try text.value
                } catch {
                    throw corrupt("its \(name) is not JSON: \(error)")
                }
            }
        }
        if isThere == nil { throw corrupt("it is missing") }
    }

    /// Reads a blob through its chain, with every checksum there is, and makes sure that the chain stays in its channel:
    /// deleting another thread must not break it.
    private static func readBlob(
        of channel: RowName.Channel,
        _ version: Identifier,
        _ row: Int64,
        _ db: Database
    ) throws {
        let statement = try db.cachedStatement(
            sql: """
                SELECT 1 FROM blobs JOIN blobs AS base ON base.blob = blobs.base
                WHERE blobs.blob = ? AND (base.thread, base.checkpoint_ns, base.channel)
                    <> (blobs.thread, blobs.checkpoint_ns, blobs.channel)
                """
        )
        if try statement.hasRow({ $0.bind(row) }) {
            throw corrupt("blob row \(row): its base belongs to another channel")
        }
        _ = try BlobChain.read(row, of: channel, version, in: db)
    }

    /// Reads the writes in a row and counts them.
    private static func readWrites(
        of task: Identifier,
        after checkpoint: CheckpointKey,
        row: Int64,
        _ db: Database
    ) throws -> Int {
        let statement = try db.cachedStatement(sql: "SELECT encoding, payload FROM writes WHERE write = ?")
        let count = try statement.firstRow { parameters in
            parameters.bind(row)
        } _: { row in
            let stored = try row.stored(encoding: 0, payload: 1)
            return try StoredWrites.decoded(stored.value(named: .writes(of: task, after: checkpoint)), task: task).count
        }
        guard let count else { throw corrupt("it is missing") }
        return count
    }

    private static func corrupt(_ detail: String) -> StoreError {
        StoreError(.corrupt, during: "read a row", detail: detail)
    }
}

/// Whose a row is, by the number in it.
private struct Owner {
    let thread: ThreadKey?
    /// Why it is nobody's.
    let loss: String?

    init(of number: Int64, _ db: Database) throws {
        let statement = try db.cachedStatement(sql: "SELECT tenant, thread_id FROM threads WHERE thread = ?")
        var thread: ThreadKey?
        let reason = try StoreError.reasonOfDamage {
            thread = try statement.firstRow { parameters in
                parameters.bind(number)
            } _: { row in
                ThreadKey(row.packed(1), tenant: Tenant(name: row.identifier(0)))
            }
        }
        self.thread = thread
        loss = thread == nil ? reason ?? "there is no thread \(number)" : nil
    }
}

extension RowKey {
    fileprivate func integer(_ index: Int) -> Int64 {
        if case .integer(let value) = self[index] { value } else { 0 }
    }

    fileprivate func text(_ index: Int) -> String {
        self[index].identifier.text
    }

    fileprivate func identifier(_ index: Int) -> Identifier {
        self[index].identifier
    }
}

extension KeyPart {
    fileprivate var identifier: Identifier {
        switch self {
        case .integer(let value): Identifier(String(value))
        case .text(let bytes): Identifier(String(decoding: bytes, as: UTF8.self))
        case .packed(let bytes): Identifier(bytes.withUnsafeBytes { PackedKey.text(ofUUID: $0) })
        }
    }

    /// The same for the version of a channel.
    fileprivate var version: Identifier {
        if case .packed(let bytes) = self { Identifier(PackedKey.text(ofVersion: bytes)) } else { identifier }
    }
}

extension Parameters {
    /// As many parameters as the key has parts.
    fileprivate mutating func bind(_ key: RowKey) {
        for part in key {
            switch part {
            case .integer(let value): bind(value)
            case .text(let bytes): bind(text: bytes)
            case .packed(let bytes): bytes.withUnsafeBytes { bind(blob: $0) }
            }
        }
    }
}

extension ResultRow {
    fileprivate func keyPart(_ column: Int32) -> KeyPart {
        if isInteger(column) { return .integer(integer(column)) }
        return isBlob(column) ? .packed(bytes(column) ?? []) : .text(bytes(column) ?? [])
    }
}
