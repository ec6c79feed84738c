package import Checkpoints
import Synchronization

extension ThreadSource {
    /// All rows of a thread, in the order they come.
    package func allRows(of thread: ThreadKey) async throws -> [ThreadRow] {
        let rows = Collected<ThreadRow>()
        try await self.rows(of: thread) { rows.append($0) }
        return rows.values
    }

    /// All threads, asked for a page at a time.
    package func allThreads(pageThreads: Int = 1_000) async throws -> [ThreadKey] {
        var threads: [ThreadKey] = []
        while true {
            let page = try await self.threads(after: threads.last, limit: pageThreads)
            threads += page
            if page.count < pageThreads { return threads }
        }
    }

    /// Everything there is.
    package func contents() async throws -> [ThreadKey: [ThreadRow]] {
        var contents: [ThreadKey: [ThreadRow]] = [:]
        for thread in try await allThreads() { contents[thread] = try await allRows(of: thread) }
        return contents
    }
}

/// What callbacks gave, in their order.
package final class Collected<Value: Sendable>: Sendable {
    private let state = Mutex<[Value]>([])

    package init() {}

    package func append(_ value: Value) {
        state.withLock { $0.append(value) }
    }

    package var values: [Value] { state.withLock { $0 } }
}
