import Checkpoints

/// What waits for a thread of the store's, oldest first.
///
/// Its owner guards it with a lock.
struct Backlog<Item> {
    /// Items that may wait; past that a caller is told that the store is busy.
    private static var limit: Int { 10_000 }

    private var waiting: [Item] = []
    private(set) var isClosed = false

    /// Takes an item in, or says why it does not.
    mutating func add(_ item: Item) -> StoreError.Kind? {
        if isClosed { return .closed }
        if waiting.count >= Self.limit { return .busy }
        waiting.append(item)
        return nil
    }

    /// The oldest items, at most `limit`; nil when nothing waits.
    mutating func takeBatch(_ limit: Int) -> [Item]? {
        guard !waiting.isEmpty else { return nil }
        let batch = Array(waiting.prefix(limit))
        waiting.removeFirst(batch.count)
        return batch
    }

    /// Refuses what comes later; what waits stays.
    mutating func close() {
        isClosed = true
    }
}
