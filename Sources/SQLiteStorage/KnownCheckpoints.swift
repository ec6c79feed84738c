import Checkpoints
import GRDB

/// Which checkpoints are there, as far as the writer remembers: an agent writes to those it put just before.
///
/// Used on the writer's thread alone. Forgets everything when a transaction is rolled back.
final class KnownCheckpoints {
    /// Checkpoints remembered at most; past that all are forgotten, and looked up again.
    private static let limit = 10_000

    private var known: Set<CheckpointKey> = []

    func contains(_ checkpoint: CheckpointKey, in db: Database) throws -> Bool {
        if known.contains(checkpoint) { return true }
        let statement = try db.cachedStatement(
            sql: """
                SELECT 1 FROM threads JOIN checkpoints USING (thread)
                WHERE tenant = ? AND thread_id = ? AND checkpoint_ns = ? AND checkpoint_id = ?
                """
        )
        let isThere = try statement.hasRow { parameters in
            parameters.bind(checkpoint.thread.tenant.name)
            parameters.bind(packed: checkpoint.thread.id)
            parameters.bind(checkpoint.namespace)
            parameters.bind(checkpoint.id)
        }
        if isThere { add(checkpoint) }
        return isThere
    }

    func add(_ checkpoint: CheckpointKey) {
        if known.count >= Self.limit { forgetAll() }
        known.insert(checkpoint)
    }

    func forgetAll() {
        known.removeAll(keepingCapacity: true)
    }
}
