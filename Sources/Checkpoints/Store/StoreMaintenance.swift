/// What the operator of a store needs beyond the calls of agents.
package protocol StoreMaintenance: Sendable {
    /// What endangers acknowledged writes in the way the store is set up, as it was when the store was opened; each a
    /// sentence that says what to do.
    var warnings: [String] { get }

    /// Proves that the store takes changes: writes something and makes it durable. Costs one commit.
    func probe() async throws(StoreError)

    /// Walks everything that was stored when it began, and says what of it is damaged. Nothing is changed.
    ///
    /// Damage is returned, never thrown, and hides nothing else: the walk goes on to the end. Changes go on meanwhile;
    /// what they delete is not damage, and what they add may be looked at or not. Throws when the store cannot be read.
    ///
    /// `report` is called between two parts of the walk, up to some tens of times a second, and must not hold it up.
    /// Costs a read of the whole store and the decompression of every blob.
    func verify(
        _ report: @escaping @Sendable (VerifyProgress) -> Void
    ) async throws(StoreError) -> StoreVerification

    /// What it knows of itself without asking its database; cheap.
    var load: StoreLoad { get }

    /// Says how large it is, as one of its reads; `answer` is called on a thread of the store's.
    func measure(then answer: @escaping @Sendable (Result<StoreSizes, StoreError>) -> Void)

    /// Says how many threads it has, or about how many, as one of its reads; nil where that would cost too much.
    func countThreads(then answer: @escaping @Sendable (Result<Int?, StoreError>) -> Void)

    /// Finishes what was accepted, refuses what comes later with `closed`, and releases files and connections.
    /// A second call does nothing.
    func close() async
}

extension StoreMaintenance {
    /// A store that sets itself up has none.
    package var warnings: [String] { [] }

    /// A store without files and connections has nothing to say.
    package var load: StoreLoad { StoreLoad() }

    /// A store without files has no sizes.
    package func measure(then answer: @escaping @Sendable (Result<StoreSizes, StoreError>) -> Void) {
        answer(.success(StoreSizes()))
    }

    /// Not counted.
    package func countThreads(then answer: @escaping @Sendable (Result<Int?, StoreError>) -> Void) {
        answer(.success(nil))
    }

    /// What is damaged, for a caller that does not wait for long: see `verify(_:)`.
    package func verify() async throws(StoreError) -> [StoreDamage] {
        try await verify { _ in }.damage
    }
}

/// How much of a store was looked at.
package struct StoreCounts: Hashable, Sendable {
    package var threads: Int
    package var checkpoints: Int
    package var blobs: Int
    /// Pending writes, each counted by itself.
    package var writes: Int

    package init(threads: Int = 0, checkpoints: Int = 0, blobs: Int = 0, writes: Int = 0) {
        self.threads = threads
        self.checkpoints = checkpoints
        self.blobs = blobs
        self.writes = writes
    }
}

/// How far a walk has come.
package struct VerifyProgress: Hashable, Sendable {
    package let checked: StoreCounts
    /// The part of all rows that was looked at, 0 to 1; nil while the walk has not begun with rows.
    package let fraction: Double?
    /// Damages found so far.
    package let damageCount: Int

    package init(checked: StoreCounts, fraction: Double?, damageCount: Int) {
        self.checked = checked
        self.fraction = fraction
        self.damageCount = damageCount
    }
}

/// What a walk found.
package struct StoreVerification: Hashable, Sendable {
    package let checked: StoreCounts
    /// In the order it was found, which groups neither threads nor kinds; empty when all is well.
    package let damage: [StoreDamage]

    package init(checked: StoreCounts, damage: [StoreDamage]) {
        self.checked = checked
        self.damage = damage
    }
}

/// One thing that is damaged, with the names it is known by.
///
/// A name that does not apply, or is lost, is nil.
///
/// Names ids, never contents: `description` is for the operator's screen.
package struct StoreDamage: Hashable, Sendable, CustomStringConvertible {
    /// The raw values are part of what `milepost verify --json` documents.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// The file itself: its pages, its indexes, or rows that could not even be listed.
        case file
        /// A checkpoint's document or metadata.
        case checkpoint
        /// A version of a channel, or an earlier one that it is kept as an addition to.
        case blob
        /// What a task wrote.
        case write
        /// A row whose thread is not there: nothing reads it, and nothing would delete it.
        case orphan
        /// Writes that deleting their thread would leave behind.
        case unplaced
    }

    package let kind: Kind
    package let thread: ThreadKey?
    package let namespace: Identifier?
    package let checkpointID: Identifier?
    package let channel: Identifier?
    package let version: Identifier?
    package let taskID: Identifier?
    /// What is wrong, in the store's words; names rows and tables, never what they hold.
    package let detail: String

    package init(
        _ kind: Kind,
        thread: ThreadKey? = nil,
        namespace: Identifier? = nil,
        checkpointID: Identifier? = nil,
        channel: Identifier? = nil,
        version: Identifier? = nil,
        taskID: Identifier? = nil,
        detail: String
    ) {
        self.kind = kind
        self.thread = thread
        self.namespace = namespace
        self.checkpointID = checkpointID
        self.channel = channel
        self.version = version
        self.taskID = taskID
        self.detail = detail
    }

    /// One line: the kind, the names with control characters escaped, what is wrong.
    ///
    /// The default tenant and the root namespace go without saying.
    package var description: String {
        var names: [String] = []
        func add(_ word: String, _ name: String?) {
            if let name { names.append("\(word) \(name.quotedForOneLine)") }
        }
        if let thread, thread.tenant != .default { add("tenant", thread.tenant.name.text) }
        add("thread", thread?.id.text)
        if let namespace, !namespace.isEmpty { add("namespace", namespace.text) }
        add("checkpoint", checkpointID?.text)
        add("channel", channel?.text)
        add("version", version?.text)
        add("task", taskID?.text)
        let place = names.isEmpty ? "" : " of " + names.joined(separator: ", ")
        return "\(kind.rawValue)\(place): \(detail)"
    }
}

extension String {
    /// In quotes, and harmless on a terminal: what would move the cursor or turn the text around is escaped.
    package var quotedForOneLine: String {
        var quoted = "\""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator:
                quoted += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                if scalar == "\"" || scalar == "\\" { quoted += "\\" }
                quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
