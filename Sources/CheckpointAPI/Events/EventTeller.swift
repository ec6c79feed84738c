import Checkpoints

/// Makes the text of one client's stream: what it is told, and what it was told already.
struct EventTeller<Store: ThreadStore> {
    private let store: Store
    private let thread: ThreadKey
    private var told: ToldCheckpoints
    private var text = EventText()

    /// How long a client waits before it connects again.
    private static var retryAfter: Duration { .seconds(1) }
    /// Checkpoints that are told after they were missed; where there are more, the client is told to read them.
    private static var mostReplayed: Int { 1_000 }

    /// Begins with what the thread has, and what came since the event that `lastEventID` names.
    ///
    /// What changes from before this on must be told to `add` in its order, or nothing is known of it.
    init(_ store: Store, _ thread: ThreadKey, lastEventID: String?) async throws(StoreError) {
        self.store = store
        self.thread = thread
        told = ToldCheckpoints([], isAll: true)
        text.add(retryAfter: Self.retryAfter)
        if let resumption = lastEventID.flatMap({ Resumption($0) }) {
            text.add(try await summary(), id: nil)
            try await addMissed(since: resumption)
        } else {
            if lastEventID?.isEmpty == false { text.add(.missed, id: nil) }
            try await addThread()
        }
    }

    /// What is to be sent now.
    mutating func takeText() -> [UInt8] {
        defer { text = EventText() }
        return text.bytes
    }

    mutating func add(_ changes: [ThreadChange]) async throws(StoreError) {
        for change in changes {
            switch change.effect {
            case .missed: try await addMissed()
            case .replaced: try await addThread()
            case .checkpoint, .writes, .pruned, .deleted:
                guard told.mustTell(change.effect, at: .now) else { continue }
                text.add(change.effect, id: told.resumption.text)
            }
        }
    }

    /// Reads what the client was not told of.
    mutating func addMissed() async throws(StoreError) {
        try await addMissed(since: told.resumption)
    }

    /// Only the last event has an id: a client that does not get so far asks for all of them again.
    private mutating func addMissed(since resumption: Resumption) async throws(StoreError) {
        let (read, isAll) = try await read(since: resumption)
        guard read.count <= Self.mostReplayed else {
            text.add(.missed, id: nil)
            return try await addThread()
        }
        told = ToldCheckpoints(read, isAll: isAll)
        let effects = resumption.untold(in: read)
        for (number, effect) in effects.enumerated() {
            text.add(effect, id: number == effects.count - 1 ? told.resumption.text : nil)
        }
    }

    /// The thread as it is, from which on its changes are told.
    private mutating func addThread() async throws(StoreError) {
        let page = try await page(after: nil, limit: ToldCheckpoints.size)
        told = ToldCheckpoints(page.tuples, isAll: page.next == nil)
        text.add(try await summary(), id: told.resumption.text)
    }

    /// One that does not exist has nothing.
    private func summary() async throws(StoreError) -> ThreadSummary {
        try await store.summary(of: thread) ?? ThreadSummary(thread: thread, namespaces: [])
    }

    /// What the thread has from the resumption's floor on, newest first, and whether there is nothing below.
    private func read(since resumption: Resumption) async throws(StoreError) -> ([CheckpointTuple], isAll: Bool) {
        var read: [CheckpointTuple] = []
        var next: ListPlace?
        repeat {
            let page = try await page(after: next, limit: 100)
            let reached = page.tuples.prefix { resumption.reaches(ListOrder($0.checkpoint.key)) }
            read += reached
            if reached.count < page.tuples.count { return (read, isAll: false) }
            next = page.next
        } while next != nil && read.count <= Self.mostReplayed
        return (read, isAll: next == nil)
    }

    private func page(after place: ListPlace?, limit: Int) async throws(StoreError) -> CheckpointPage {
        try await store.list(
            CheckpointQuery(scope: .thread(thread), after: place, limit: limit, parts: .pendingWrites)
        )
    }
}
