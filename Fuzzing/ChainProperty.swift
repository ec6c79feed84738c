import Checkpoints
import Foundation
import GRDB
@testable import SQLiteStorage

/// The versions of a channel are read as they were put; when something of them is damaged, as they were put or not at all.
enum ChainProperty {
    /// A store's tables in memory; every input leaves them empty.
    private static let database: DatabaseQueue = {
        do {
            let queue = try DatabaseQueue()
            try SQLiteSchema.migrator.migrate(queue)
            return queue
        } catch {
            fatalError("no database: \(error)")
        }
    }()

    static func check(_ input: [UInt8]) {
        do {
            try database.inTransaction { db in
                var series = Series(db, Choices(input))
                try series.put()
                try series.checkAll()
                try series.damage()
                return .rollback
            }
        } catch {
            fatalError("the property does not hold: \(error)")
        }
    }
}

/// One channel: what was put, and what a store has of it.
private struct Series {
    private static let thread: Int64 = 7
    private static let owner = ThreadKey("t")
    private static let channel = RowName.Channel(owner, "", "a")

    private let db: Database
    private var choices: Choices
    private var value: [UInt8] = Array(repeating: Array("a conversation of some length, ".utf8), count: 80).flatMap {
        $0
    }
    /// What each version was put as, the first time.
    private var values: [(version: Identifier, bytes: [UInt8]?)] = []
    private let recent = RecentBlobs()
    private let commits: CommitClock?

    init(_ db: Database, _ choices: Choices) {
        self.db = db
        self.choices = choices
        // Reads from memory, or none.
        commits = self.choices.byte() % 2 == 0 ? CommitClock() : nil
    }

    private var snapshot: Snapshot {
        Snapshot(db, commit: commits?.seenByAll ?? 0, recent, remembering: commits)
    }

    // MARK: - Putting

    mutating func put() throws {
        let count = Int(choices.byte()) % 48
        for number in 0..<count where !choices.isEmpty {
            let bytes = nextValue()
            // Mostly in order; now and then in another, or a version that is there.
            let place = choices.byte() % 8 == 0 ? choices.number(below: 100) : 1_000 + number
            let version = Identifier(String(repeating: "0", count: 28) + String(10_000 + place).dropFirst())
            let blob = ChannelBlob(channel: "a", version: version, type: "msgpack", bytes: bytes)
            let key = RecentBlobs.Key(Self.thread, "", blob)
            let snapshot = snapshot
            let placed = try BlobChain.place(blob, of: Self.owner, Self.thread, "", in: snapshot)
            let stored = try BlobChain.insert(placed, of: Self.owner, key, in: snapshot)
            let isNew = !values.contains { $0.version == version }
            require((stored != nil) == isNew, "a version is stored once")
            if isNew { values.append((version, bytes)) }
        }
    }

    /// What an agent does to its state, and what it does not.
    private mutating func nextValue() -> [UInt8]? {
        let place = choices.number(below: value.count + 1)
        switch choices.byte() % 12 {
        case 0: return nil
        case 1: return choices.bytes(Int(choices.byte()))
        case 2: value.removeSubrange(place...)
        case 3: value.removeFirst(place)
        case 4: value = Array(value.reversed())
        case 5: value = (0..<place).map { UInt8(truncatingIfNeeded: $0 &* $0 &* 31 >> 3) }
        case 6: value.replaceSubrange(place..., with: repeatElement(choices.byte(), count: place))
        default: value.insert(contentsOf: choices.bytes(Int(choices.byte()) % 64), at: place)
        }
        if value.count > 20_000 { value.removeFirst(15_000) }
        return value
    }

    // MARK: - Reading

    mutating func checkAll() throws {
        for (row, version, expected) in try rows() {
            let bytes = try BlobChain.read(row, of: Self.channel, version, in: db).bytes
            require(spoilt(bytes) == expected, "row \(row) is what was put")
        }
        // In an order that is not that of the chain too.
        var reader = ChainReader(Self.channel)
        let turn = choices.number(below: values.count + 1)
        for (row, version, expected) in try rows().shuffled(turn) {
            let bytes = try reader.read(row, version, in: db).bytes
            require(bytes == expected, "row \(row) is what was put, read after another")
        }
        for (version, expected) in values {
            let found = try BlobChain.blob(
                ChannelVersion(channel: "a", version: version), of: Self.owner, Self.thread, "", in: snapshot)
            require(found?.bytes == expected && found?.type == "msgpack", "version \(version) is what was put")
        }
    }

    /// A reader that forgets what a value lost at its end.
    private func spoilt(_ bytes: [UInt8]?) -> [UInt8]? {
        subject(bytes) { bytes in bytes.map { $0.count % 64 == 1 ? $0.dropLast() : $0 } }
    }

    private func rows() throws -> [(row: Int64, version: Identifier, bytes: [UInt8]?)] {
        let found = try Row.fetchAll(db, sql: "SELECT blob, version FROM blobs")
        let byKey = Dictionary(uniqueKeysWithValues: values.map { ($0.version, $0.bytes) })
        require(found.count == values.count, "a row for each version")
        return found.map { row in
            let version: DatabaseValue = row[1]
            let text = Data.fromDatabaseValue(version).map { PackedKey.text(ofVersion: [UInt8]($0)) }
            let key = Identifier(text ?? String.fromDatabaseValue(version) ?? "")
            guard let bytes = byKey[key] else { fatalError("the property does not hold: a version of nobody: \(key)") }
            return (row[0], key, bytes)
        }
    }

    // MARK: - Damage

    /// A bit, two bytes, an end, a number or a name that is not what it was: accidents, which digests are for.
    ///
    /// Somebody who makes the digest anew could write anything.
    mutating func damage() throws {
        let rows = try rows()
        guard !choices.isEmpty, !rows.isEmpty else { return }
        let row = rows[choices.number(below: rows.count)].row
        switch choices.byte() % 8 {
        case 0: try set("base", of: row, to: choices.number(below: rows.count + 2))
        case 1: try set("encoding", of: row, to: Int(choices.byte()) % 16)
        case 2: try set("position", of: row, to: choices.number(below: 2_000))
        case 3: try set("type", of: row, to: "msgpacl")
        case 4: try set("version", of: row, to: "another")
        default: try damagePayload(of: row)
        }
        var reader = ChainReader(Self.channel)
        for (row, version, expected) in rows {
            try mayBeCorrupt {
                let found = try BlobChain.read(row, of: Self.channel, version, in: db)
                require(found.bytes == expected && found.type == "msgpack", "damage is not read")
            }
            try mayBeCorrupt { require(try reader.read(row, version, in: db).bytes == expected, "nor after another") }
        }
    }

    private mutating func damagePayload(of row: Int64) throws {
        let sql = "SELECT payload FROM blobs WHERE blob = ?"
        guard var payload = try Data.fetchOne(db, sql: sql, arguments: [row]).map({ [UInt8]($0) }), !payload.isEmpty
        else { return }
        let place = choices.number(below: payload.count)
        switch choices.byte() % 4 {
        case 0: payload.removeSubrange(place...)
        case 1: payload[place] ^= 1 << (choices.byte() % 8)
        case 2: payload.insert(choices.byte(), at: place)
        default:
            payload[place] = choices.byte()
            payload[min(place + 1, payload.count - 1)] = choices.byte()
        }
        try db.execute(sql: "UPDATE blobs SET payload = ? WHERE blob = ?", arguments: [Data(payload), row])
    }

    private func set(_ column: String, of row: Int64, to value: any DatabaseValueConvertible) throws {
        try db.execute(sql: "UPDATE blobs SET \(column) = ? WHERE blob = ?", arguments: [value, row])
    }

    private func mayBeCorrupt(_ body: () throws -> Void) throws {
        do {
            try body()
        } catch let error where StoreError(error, during: "read").kind == .corrupt {
            // It is said, which is all that can be done.
        }
    }
}

extension Array {
    /// The elements from `start`, then those before, every other one first.
    fileprivate func shuffled(_ start: Int) -> [Element] {
        let turned = Array(self[start...] + self[..<start])
        return stride(from: 0, to: count, by: 2).map { turned[$0] }
            + stride(from: 1, to: count, by: 2).map { turned[$0] }
    }
}
