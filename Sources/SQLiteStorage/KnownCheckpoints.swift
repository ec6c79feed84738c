import Checkpoints

/// Checkpoints that were put lately, as far as the writer remembers: an agent writes to those it put just before.
///
/// Used on the writer's thread alone. Forgets everything when a transaction is rolled back, and when a thread is deleted.
final class KnownCheckpoints {
    /// Checkpoints remembered at most; past that all are forgotten, and looked up.
    private static let limit = 10_000

    private var known: Set<CheckpointKey> = []

    /// False does not mean that it is not there.
    func contains(_ checkpoint: CheckpointKey) -> Bool {
        known.contains(checkpoint)
    }

    func add(_ checkpoint: CheckpointKey) {
        if known.count >= Self.limit { forgetAll() }
        known.insert(checkpoint)
    }

    func forget(_ checkpoint: CheckpointKey) {
        known.remove(checkpoint)
    }

    func forgetAll() {
        known.removeAll(keepingCapacity: true)
    }
}
