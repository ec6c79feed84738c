import Checkpoints
import JSON

/// What is set for a thread, in `milepost_thread_settings`.
enum StoredSettings {
    /// Within a transaction that has the thread's lock, or in a snapshot.
    static func read(_ thread: ThreadKey, _ transaction: EditTransaction) throws(PostgresFailure) -> ThreadSettings {
        var settings: Result<ThreadSettings, StoreError> = .success(.none)
        try transaction.run([PostgresStatement(one, name(thread))]) { _, result in
            if result.rowCount > 0 { settings = Self.settings(result, 0) }
        }
        guard case .success(let found) = settings else {
            throw PostgresFailure(state: "XX001", message: "the pins of a thread are damaged")
        }
        return found
    }

    static func writing(_ settings: ThreadSettings, _ thread: ThreadKey) -> PostgresStatement {
        guard settings != .none else { return deletion(of: thread) }
        var parameters = name(thread)
        parameters.add(settings.timeToLive.map { Identifier(String($0)) })
        parameters.add(Identifier(settings.isHeld ? "true" : "false"))
        parameters.add(utf8Text: settings.storedPins.bytes)
        return PostgresStatement(write, parameters)
    }

    static func deletion(of thread: ThreadKey) -> PostgresStatement { PostgresStatement(delete, name(thread)) }

    /// Columns of `some`, after the thread's.
    static func settings(_ result: borrowing PostgresResult, _ row: Int) -> Result<ThreadSettings, StoreError> {
        let pins = JSONText(trusted: result.bytes(row, 3))
        let timeToLive = result.isNull(row, 1) ? nil : result.integer(row, 1)
        let isHeld = result.isTrue(row, 2)
        return Result { () throws(StoreError) in
            ThreadSettings(timeToLive: timeToLive, pins: try ThreadSettings.pins(stored: pins), isHeld: isHeld)
        }
    }

    private static func name(_ thread: ThreadKey) -> PostgresParameters {
        var parameters = PostgresParameters()
        parameters.add(thread.storedID)
        return parameters
    }

    private static let one = StatementText(
        "settings", "SELECT thread_id, ttl, hold, pins FROM milepost_thread_settings WHERE thread_id = $1")
    /// Of those threads that have any.
    static let some = StatementText(
        "settings_of_threads",
        "SELECT thread_id, ttl, hold, pins FROM milepost_thread_settings WHERE thread_id = ANY ($1)"
    )
    private static let delete = StatementText(
        "delete_settings", "DELETE FROM milepost_thread_settings WHERE thread_id = $1")
    private static let write = StatementText(
        "write_settings",
        """
        INSERT INTO milepost_thread_settings (thread_id, ttl, hold, pins)
        VALUES ($1, $2::text::bigint, $3::text::boolean, $4)
        ON CONFLICT (thread_id)
        DO UPDATE SET ttl = EXCLUDED.ttl, hold = EXCLUDED.hold, pins = EXCLUDED.pins
        """
    )
}
