import Checkpoints
import GRDB

/// The threads of a file in the order of their ids' texts, which is not the order they lie in: packed ids come after all
/// others there.
enum ThreadListing {
    /// The next threads after one; costs a look at every checkpoint that is awaited, normally a handful.
    static func keys(after last: ThreadKey?, limit: Int, in db: Database) throws -> [ThreadKey] {
        var keys = try awaited(db).filter { key in last.map { $0 < key } ?? true }
        var floor = last?.id
        var tenant = try last?.tenant.name ?? nextTenant(after: nil, db)
        var found = 0
        while let current = tenant, found < limit {
            let ids = try ids(of: current, after: floor, limit: limit, db)
            for id in ids { keys.insert(ThreadKey(id, tenant: Tenant(name: current))) }
            found += ids.count
            floor = nil
            tenant = try nextTenant(after: current, db)
        }
        return Array(keys.sorted().prefix(limit))
    }

    /// The next threads of one tenant after an id.
    static func keys(of tenant: Tenant, after last: Identifier?, limit: Int, in db: Database) throws -> [ThreadKey] {
        var keys = try awaited(db).filter { key in key.tenant == tenant && (last.map { key.id > $0 } ?? true) }
        for id in try ids(of: tenant.name, after: last, limit: limit, db) {
            keys.insert(ThreadKey(id, tenant: tenant))
        }
        return Array(keys.sorted().prefix(limit))
    }

    /// Threads of which the file may have nothing but writes.
    private static func awaited(_ db: Database) throws -> Set<ThreadKey> {
        let statement = try db.cachedStatement(sql: "SELECT DISTINCT tenant, thread_id FROM awaited_checkpoints")
        var keys: Set<ThreadKey> = []
        try statement.forEachRow { _ in
        } _: { row in
            keys.insert(ThreadKey(row.packed(1), tenant: Tenant(name: row.identifier(0))))
            return true
        }
        return keys
    }

    private static func nextTenant(after tenant: Identifier?, _ db: Database) throws -> Identifier? {
        let comparison = tenant == nil ? ">=" : ">"
        let statement = try db.cachedStatement(
            sql: "SELECT tenant FROM threads WHERE tenant \(comparison) ? ORDER BY tenant LIMIT 1"
        )
        return try statement.firstRow {
            $0.bind(tenant ?? "")
        } _: {
            $0.identifier(0)
        }
    }

    private static func ids(
        of tenant: Identifier,
        after last: Identifier?,
        limit: Int,
        _ db: Database
    ) throws -> [Identifier] {
        let comparison = last == nil ? ">=" : ">"
        // An empty blob comes after every text and before every other blob.
        let texts = try db.cachedStatement(
            sql: """
                SELECT thread_id FROM threads WHERE tenant = ? AND thread_id \(comparison) ? AND thread_id < x''
                ORDER BY thread_id LIMIT ?
                """
        )
        var ids: [Identifier] = []
        try texts.forEachRow { parameters in
            parameters.bind(tenant)
            parameters.bind(last ?? "")
            parameters.bind(Int64(limit))
        } _: { row in
            ids.append(row.identifier(0))
            return true
        }
        let bound = PackedKey.bound(ofUUIDsAfter: last?.text ?? "")
        let packed = try db.cachedStatement(
            sql: """
                SELECT thread_id FROM threads WHERE tenant = ? AND thread_id \(bound.isIncluded ? ">=" : ">") ?
                ORDER BY thread_id LIMIT ?
                """
        )
        try packed.forEachRow { parameters in
            parameters.bind(tenant)
            bound.uuid.withUnsafeBytes { parameters.bind(blob: $0) }
            parameters.bind(Int64(limit))
        } _: { row in
            ids.append(row.packed(0))
            return true
        }
        return Array(ids.sorted().prefix(limit))
    }
}

extension PackedKey {
    /// From which packed UUID on their texts come after a text: that one is included or not.
    static func bound(ofUUIDsAfter text: String) -> (uuid: [UInt8], isIncluded: Bool) {
        var digits: [UInt8] = []
        func filled(_ digit: UInt8, isIncluded: Bool) -> (uuid: [UInt8], isIncluded: Bool) {
            digits += repeatElement(digit, count: uuidCount * 2 - digits.count)
            return (stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }, isIncluded)
        }
        let text = Array(text.utf8)
        for (place, character) in text.prefix(36).enumerated() {
            if [8, 13, 18, 23].contains(place) {
                guard character == UInt8(ascii: "-") else {
                    let isBefore = character < UInt8(ascii: "-")
                    return filled(isBefore ? 0 : 0xF, isIncluded: isBefore)
                }
                continue
            }
            switch character {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(character - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digits.append(character - UInt8(ascii: "a") + 10)
            case ..<UInt8(ascii: "0"): return filled(0, isIncluded: true)
            case ..<UInt8(ascii: "a"):
                digits.append(10)
                return filled(0, isIncluded: true)
            default: return filled(0xF, isIncluded: false)
            }
        }
        // A text that ends here comes before all that go on; a whole UUID, or more, comes after it.
        return filled(0, isIncluded: text.count < 36)
    }
}
