import Checkpoints
import JSON

/// A change on its way to the database.
struct Change: PostgresWork {
    enum Kind: Sendable {
        case put(Checkpoint, [ChannelBlob])
        case writes([WriteGroup], CheckpointKey)
        /// Rows of another store's thread.
        case rows([ThreadRow], ThreadKey)
        /// Statements that depend on what others answered, alone with their thread.
        case edit(ThreadKey, ThreadEdit)
        /// Proof that changes are taken.
        case probe
    }

    let kind: Kind
    let operation: String
    let deadline: ContinuousClock.Instant
    /// When it came.
    let arrival = MonotonicTime.now
    /// Whose call it is a part of, if that is measured.
    let times = CallTimes.current
    /// Connections lost and transactions undone on its way.
    var attempts = 0
    /// Whether it may have happened already.
    var isInDoubt = false
    /// Whether it goes over the connections for changes that share no transaction.
    var isSeparate = false
    /// Whether its JSON is rewritten wherever `jsonb` might not take it.
    var isRewritten = false
    private(set) var answer: @Sendable (Result<Void, StoreError>) -> Void

    init(_ kind: Kind, _ operation: String, then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void) {
        self.kind = kind
        self.operation = operation
        self.answer = answer
        deadline = .now + PostgresLimits.patience
    }

    /// What may have happened is never said not to have.
    func fail(_ error: StoreError) {
        let known = isInDoubt ? StoreError(.unavailable, during: operation, detail: error.detail) : error
        answer(.failure(known))
    }

    /// One of a checkpoint at a time where each is alone: a lock that it waits for holds up no other checkpoint.
    var exclusion: CheckpointKey? {
        guard isSeparate else { return nil }
        return switch kind {
        case .put(let checkpoint, _): checkpoint.key
        case .writes(_, let key): key
        case .rows(_, let thread), .edit(let thread, _):
            CheckpointKey(thread: thread, namespace: "", id: "")
        case .probe: nil
        }
    }

    /// Whose rows it changes; nil for a probe.
    var thread: ThreadKey? {
        switch kind {
        case .put(let checkpoint, _): checkpoint.key.thread
        case .writes(_, let key): key.thread
        case .rows(_, let thread), .edit(let thread, _): thread
        case .probe: nil
        }
    }

    /// What followers of its thread are told once it is durable; nil for nothing.
    ///
    /// Of an edit, once it has run.
    var told: ThreadChange? {
        switch kind {
        case .put(let checkpoint, _): ThreadChange(checkpoint)
        case .writes(let groups, let key): ThreadChange(groups, for: key)
        case .rows(_, let thread): ThreadChange(thread, .replaced)
        case .edit(_, let edit): edit.effect()
        case .probe: nil
        }
    }

    var byteCount: Int {
        switch kind {
        case .put(let checkpoint, let blobs):
            blobs.reduce(checkpoint.document.bytes.count + checkpoint.metadata.bytes.count) {
                $0 + ($1.bytes?.count ?? 0)
            }
        case .writes(let groups, _): groups.reduce(0) { $1.writes.reduce($0) { $0 + $1.bytes.count } }
        case .rows(let rows, _): rows.reduce(0) { $0 + $1.byteCount }
        case .edit, .probe: 0
        }
    }

    var isAlone: Bool {
        switch kind {
        case .put, .rows: isSeparate || byteCount > Self.largestShared
        case .writes(let groups, _):
            // Groups of two kinds may become as many statements as there are writes.
            isSeparate || byteCount > Self.largestShared
                || groups.count > 1 && groups.reduce(0) { $0 + $1.writes.count } > Self.mostMixed
        case .edit, .probe: true
        }
    }

    /// Whether it may take long, and doing it twice may undo what another did in between.
    var isDeletion: Bool {
        switch kind {
        case .edit(_, let edit): edit.isDeletion
        case .put, .writes, .rows, .probe: false
        }
    }

    /// Writes of two kinds that share a transaction with others at most.
    private static let mostMixed = 32
    /// In bytes: what PostgreSQL compresses in a session of its own beside the others'.
    private static let largestShared = 128 << 10

    /// The same with something to do before it is answered.
    func beforeAnswer(_ action: @escaping @Sendable (_ isStored: Bool) -> Void) -> Change {
        var change = self
        change.answer = { [answer] result in
            if case .success = result { action(true) } else { action(false) }
            answer(result)
        }
        return change
    }
}

extension ThreadRow {
    fileprivate var byteCount: Int {
        switch self {
        case .blob(_, let blob): blob.bytes?.count ?? 0
        case .write(_, _, let write): write.bytes.count
        case .checkpoint(let checkpoint): checkpoint.document.bytes.count + checkpoint.metadata.bytes.count
        }
    }
}
