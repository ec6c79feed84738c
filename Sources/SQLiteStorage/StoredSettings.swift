import Checkpoints
import GRDB
import JSON

/// What is set for a thread, in `thread_settings`.
enum StoredSettings {
    static func read(_ thread: ThreadKey, _ db: Database) throws -> ThreadSettings {
        let statement = try db.cachedStatement(
            sql: "SELECT ttl, hold, pins FROM thread_settings WHERE tenant = ? AND thread_id = ?"
        )
        let found = try statement.firstRow {
            bind(thread, &$0)
        } _: { row in
            ThreadSettings(
                timeToLive: row.optionalInteger(0).map { Int($0) },
                pins: try ThreadSettings.pins(stored: JSONText(trusted: Array(row.text(2).utf8))),
                isHeld: row.integer(1) != 0
            )
        }
        return found ?? .none
    }

    static func isHeld(_ thread: ThreadKey, _ db: Database) throws -> Bool {
        try db.cachedStatement(
            sql: "SELECT 1 FROM thread_settings WHERE tenant = ? AND thread_id = ? AND hold <> 0"
        ).hasRow { bind(thread, &$0) }
    }

    static func write(_ settings: ThreadSettings, _ thread: ThreadKey, _ db: Database) throws {
        guard settings != .none else { return try delete(thread, db) }
        let statement = try db.cachedStatement(
            sql: """
                INSERT INTO thread_settings (tenant, thread_id, ttl, hold, pins) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT (tenant, thread_id)
                DO UPDATE SET ttl = excluded.ttl, hold = excluded.hold, pins = excluded.pins
                """
        )
        try statement.run { parameters in
            bind(thread, &parameters)
            parameters.bind(settings.timeToLive.map { Int64($0) })
            parameters.bind(settings.isHeld ? 1 : 0)
            parameters.bind(text: settings.storedPins.bytes)
        }
    }

    static func delete(_ thread: ThreadKey, _ db: Database) throws {
        try db.cachedStatement(sql: "DELETE FROM thread_settings WHERE tenant = ? AND thread_id = ?").run {
            bind(thread, &$0)
        }
    }

    private static func bind(_ thread: ThreadKey, _ parameters: inout Parameters) {
        parameters.bind(thread.tenant.name)
        parameters.bind(packed: thread.id)
    }
}
