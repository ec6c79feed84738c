import JSON
import MilepostClient
import Serde

/// The checkpoints of a thread, without their values.
struct ThreadHistory {
    struct Entry {
        let id: JSONString
        let parent: JSONString?
        let time: String?
        /// As the metadata has it; a number, unless somebody else wrote it.
        let step: JSONValue
        let source: String?
        /// The nodes that ran between the parent and this one.
        var nodes: [String] = []
        let writes: Int
        let interrupts: Int
        let errors: Int
        /// Whether an interrupt here has been answered.
        let isResumed: Bool
        var isHead = false
        fileprivate let progress: GraphProgress
    }

    struct Namespace {
        let name: String
        var entries: [Entry]
    }

    /// In the order of their names; the root has none and comes first.
    private(set) var namespaces: [Namespace]

    /// Checkpoints in the order of the server's list, greatest id first.
    init(_ entries: [(namespace: String, entry: Entry)]) {
        let grouped = Dictionary(grouping: entries) { JSONString($0.namespace) }
        namespaces = grouped.sorted { $0.key.wtf8.lexicographicallyPrecedes($1.key.wtf8) }.map { group in
            Namespace(name: group.value[0].namespace, entries: group.value.map(\.entry))
        }
        for index in namespaces.indices { namespaces[index].finish() }
    }

    var count: Int { namespaces.reduce(0) { $0 + $1.entries.count } }

    /// All of a thread, or the newest `limit`.
    static func read(_ thread: String, limit: Int?, from client: MilepostClient) async throws -> ThreadHistory {
        var entries: [(namespace: String, entry: Entry)] = []
        var cursor: String?
        repeat {
            let left = limit.map { $0 - entries.count } ?? .max
            let page = try await client.checkpoints(
                in: thread,
                including: [.pendingWrites],
                after: cursor,
                limit: min(left, 1_000)
            )
            entries += page.elements.map { ($0.namespace, Entry($0)) }
            cursor = page.next
        } while cursor != nil && entries.count < limit ?? .max
        return ThreadHistory(entries)
    }
}

extension ThreadHistory.Entry {
    init(_ stored: StoredCheckpoint) {
        id = JSONString(stored.id)
        parent = stored.parentID.map { JSONString($0) }
        time = stored.document["ts"]?.string
        step = stored.metadata["step"] ?? .null
        source = stored.metadata["source"]?.string
        writes = stored.pendingWrites.count
        interrupts = stored.pendingWrites.count { $0.channel == LangGraphChannel.interrupt }
        errors = stored.pendingWrites.count { $0.channel == LangGraphChannel.error }
        isResumed = stored.pendingWrites.contains { $0.channel == LangGraphChannel.resume }
        progress = GraphProgress(stored.document)
    }
}

extension ThreadHistory.Namespace {
    fileprivate mutating func finish() {
        guard !entries.isEmpty else { return }
        entries[0].isHead = true
        let known = Dictionary(entries.map { ($0.id, $0.progress) }) { first, _ in first }
        for index in entries.indices {
            let parent = entries[index].parent
            // Of a parent that is not here nothing is known.
            if let parent, known[parent] == nil { continue }
            entries[index].nodes = entries[index].progress.nodes(since: parent.flatMap { known[$0] })
        }
    }
}
