import Checkpoints
import JSON
import Synchronization

/// One thread on its way into a store: rows that the store has are passed over, the others are added in batches.
struct ThreadIntake: Sendable {
    struct Outcome: Sendable {
        enum Kind: Sendable {
            case imported, alreadyThere, different
        }

        let thread: ThreadKey
        let kind: Kind
        let rowsAdded: Int
    }

    private static let batchRows = 1_000
    private static let batchBytes = 4 << 20

    private let thread: ThreadKey
    private let target: any ThreadTransfer
    private let before: StoredContent
    private var batch: [ThreadRow] = []
    private var batchBytes = 0
    private var rowsAdded = 0

    init(_ thread: ThreadKey, into target: any ThreadTransfer) async throws(TransferError) {
        self.thread = thread
        self.target = target
        before = try await StoredContent.read(thread, of: target)
    }

    /// The same for a thread that is there in one part.
    static func whole(
        _ part: ExportReader.Part,
        into target: any ThreadTransfer
    ) async -> Result<Outcome, TransferError> {
        do throws(TransferError) {
            guard let digest = part.digest else { preconditionFailure("a whole thread has its digest") }
            var intake = try await ThreadIntake(part.thread, into: target)
            try await intake.take(part)
            return .success(try await intake.end(digest))
        } catch {
            return .failure(error)
        }
    }

    mutating func take(_ part: ExportReader.Part) async throws(TransferError) {
        var start = 0
        var line = part.firstLine
        while let feed = part.lines.lineFeed(from: start) {
            if let row = try newRow(part.lines[start...feed], line) {
                batch.append(row)
                batchBytes += feed - start
                if batch.count >= Self.batchRows || batchBytes >= Self.batchBytes { try await store() }
            }
            start = feed + 1
            line += 1
        }
    }

    /// Stores what is left, and compares what the store then has with what the export says of the thread.
    mutating func end(_ digest: ThreadDigest) async throws(TransferError) -> Outcome {
        try await store()
        if rowsAdded == 0, before.digest == digest {
            return Outcome(thread: thread, kind: .alreadyThere, rowsAdded: 0)
        }
        let after = try await StoredContent.read(thread, of: target)
        let kind = after.digest == digest ? Outcome.Kind.imported : .different
        return Outcome(thread: thread, kind: kind, rowsAdded: rowsAdded)
    }

    /// Nil when the store has it, or has another checkpoint of its key, which stays.
    private func newRow(_ line: ArraySlice<UInt8>, _ number: Int) throws(TransferError) -> ThreadRow? {
        let result: Result<ThreadRow?, ExportLine.WrongRow> = line.withUnsafeBytes { text in
            if before.lines.contains(lineHash(text)) { return .success(nil) }
            do throws(ExportLine.WrongRow) {
                let row = try ExportLine.row(text, of: thread)
                if case .checkpoint(let checkpoint) = row, before.checkpoints.contains(checkpoint.key) {
                    return .success(nil)
                }
                return .success(row)
            } catch {
                return .failure(error)
            }
        }
        do throws(ExportLine.WrongRow) {
            return try result.get()
        } catch {
            throw .damaged(error.detail, line: number, thread: thread)
        }
    }

    private mutating func store() async throws(TransferError) {
        guard !batch.isEmpty else { return }
        do throws(StoreError) {
            try await target.add(batch, to: thread)
        } catch {
            throw TransferError(
                .notAccessible,
                "thread \(thread.id.text.quotedForOneLine) cannot be stored: \(error.debugDescription)",
                hint: "see to the store and run the same import again: it goes on from there"
            )
        }
        Failpoint.pass("import after rows")
        rowsAdded += batch.count
        batch = []
        batchBytes = 0
    }
}

/// What a store has of a thread, as an export would say it.
private struct StoredContent: Sendable {
    let digest: ThreadDigest
    /// A hash of each row's line.
    let lines: Set<UInt64>
    let checkpoints: Set<CheckpointKey>

    private struct State: ~Copyable {
        var digest = RowDigest()
        var lines: Set<UInt64> = []
        var checkpoints: Set<CheckpointKey> = []
        var writer = JSONWriter()
    }

    /// Takes eight bytes a row, and the keys of checkpoints.
    static func read(_ thread: ThreadKey, of store: any ThreadTransfer) async throws(TransferError) -> StoredContent {
        let reading = Reading()
        do throws(StoreError) {
            try await store.rows(of: thread) { reading.add($0) }
        } catch {
            throw TransferError(
                .notAccessible,
                "thread \(thread.id.text.quotedForOneLine) cannot be read back: \(error.debugDescription)",
                hint: "see to the store and run the same import again: it goes on from there"
            )
        }
        return reading.content
    }

    private final class Reading: Sendable {
        private let state = Mutex(State())

        func add(_ row: ThreadRow) {
            state.withLock { state in
                state.writer.bytes.removeAll(keepingCapacity: true)
                state.writer.row(row)
                if case .checkpoint(let checkpoint) = row { state.checkpoints.insert(checkpoint.key) }
                state.writer.bytes.withUnsafeBytes { line in
                    state.digest.add(line)
                    state.lines.insert(lineHash(line))
                }
            }
        }

        var content: StoredContent {
            state.withLock { StoredContent(digest: $0.digest.value, lines: $0.lines, checkpoints: $0.checkpoints) }
        }
    }
}
