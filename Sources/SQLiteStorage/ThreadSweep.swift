import Checkpoints
import GRDB

/// What goes of a thread, made ready by a reader so that the writer's turns are short.
///
/// It is right while no change touches the thread.
struct ThreadSweep: Sendable {
    /// One checkpoint that goes, as rows.
    struct Step: Sendable {
        let place: CheckpointPlace
        let orphans: [CheckpointPlace]
        let blobs: [StoredOutline.Blob]
        let removed: RowCounts
        let isClean: Bool

        /// Rows, and pages of 4 KiB.
        var size: Int {
            removed.checkpoints + removed.writes + removed.blobs + orphans.count + removed.bytes / 4_096 + 1
        }
    }

    /// How far a clean end may be, where portions are small: what takes some milliseconds.
    private static let nearby = 256

    let thread: ThreadKey
    let number: Int64
    /// What the sweep comes to when it gets to its end.
    let report: RetentionReport
    /// Whether what the steps leave goes too.
    let isWhole: Bool
    let steps: [Step]
    /// Blobs that must be written anew before the first step.
    let moves: [BlobMove]

    /// Nil when there is nothing under that name, or only writes.
    init?(_ thread: ThreadKey, _ policy: RetentionPolicy, at now: WallTime, _ db: Database) throws {
        guard let number = try thread.number(in: db) else { return nil }
        let settings = try StoredSettings.read(thread, db)
        let stored = try StoredOutline(thread, number, db)
        let plan = try RetentionPlan(
            policy, of: stored.outline, settings, at: now, isSnapshot: stored.isSnapshot(db))
        self.thread = thread
        self.number = number
        var report = RetentionReport(thread: thread, outcome: .kept, kept: stored.outline.checkpoints.count)
        switch plan {
        case .nothing:
            (isWhole, steps, moves) = (false, [], [])
        case .prune(let plan):
            isWhole = false
            (steps, moves) = try Self.carryOut(plan, stored, db)
            report.outcome = .pruned
            for step in steps { report.removed += step.removed }
            report.kept = plan.keptCount
        case .delete(let plan):
            isWhole = true
            (steps, moves) = try Self.carryOut(plan, stored, db)
            report = RetentionReport(thread: thread, outcome: .deleted, removed: stored.total)
        }
        self.report = report
    }

    private static func carryOut(
        _ plan: PrunePlan,
        _ stored: StoredOutline,
        _ db: Database
    ) throws -> (steps: [Step], moves: [BlobMove]) {
        let rows = Dictionary(stored.blobs.map { ($0.key, $0) }) { first, _ in first }
        let steps = plan.steps(of: stored.outline)
        var goneAt: [Int64: Int] = [:]
        for (number, step) in steps.enumerated() {
            for key in step.blobs { rows[key].map { goneAt[$0.row] = number } }
        }
        let (moves, damaged) = try BlobMove.all(stored.blobs, goneAt: goneAt, db)
        return (
            steps.map { step in
                let blobs = step.blobs.compactMap { rows[$0] }.filter { !damaged.contains($0.channel) }
                var removed = stored.counts[step.place] ?? RowCounts()
                for blob in blobs { removed += RowCounts(blobs: 1, bytes: blob.bytes) }
                return Step(
                    place: step.place,
                    orphans: step.orphans,
                    blobs: blobs,
                    removed: removed,
                    isClean: step.isClean
                )
            },
            moves
        )
    }

    /// What everything comes to that is not among the steps yet to come, in the measure of `Step.size`.
    var size: Int {
        report.removed.checkpoints + report.removed.writes + report.removed.blobs + report.removed.bytes / 4_096 + 1
    }

    /// Where a portion ends that begins at a step: where it comes to the size, but for a clean end that is near.
    func end(from start: Int, size limit: Int) -> (end: Int, size: Int) {
        var (end, size) = (start, 0)
        var clean: (end: Int, size: Int)?
        let farthest = max(limit * 4, Self.nearby)
        while end < steps.count {
            let next = size + steps[end].size
            if next > limit && clean != nil || next > farthest && end > start { break }
            size = next
            end += 1
            if steps[end - 1].isClean { clean = (end, size) }
            if size >= limit && clean != nil { break }
        }
        return clean ?? (end, size)
    }

    // MARK: - In the writer's turn

    /// False when a change has touched the thread: then nothing was done.
    func delete(_ range: Range<Int>, _ transaction: SQLiteWriter.Transaction) throws -> Bool {
        guard transaction.watched.isUntouched(thread) else { return false }
        let db = transaction.db
        let checkpoints = try db.cachedStatement(
            sql: "DELETE FROM checkpoints WHERE thread = ? AND checkpoint_ns = ? AND checkpoint_id = ?")
        let blobs = try db.cachedStatement(sql: "DELETE FROM blobs WHERE blob = ? AND thread = ?")
        for step in steps[range] {
            let key = CheckpointKey(thread: thread, namespace: step.place.namespace, id: step.place.id)
            for orphan in step.orphans { try StoredCheckpoint.cutParent(of: orphan, thread: number, db) }
            try db.delete(from: "writes", at: key)
            try db.delete(from: "awaited_checkpoints", at: key)
            try checkpoints.run { $0.bind(number, key.namespace, key.id) }
            transaction.checkpoints.forget(key)
            for blob in step.blobs {
                try blobs.run {
                    $0.bind(blob.row)
                    $0.bind(number)
                }
            }
        }
        let gone = steps[range].flatMap(\.blobs)
        transaction.cut(gone.map { RecentBlobs.Key(number, $0.key.namespace, $0.key.version) }, of: number)
        return true
    }

    /// The same for blobs that are written anew.
    func apply(_ moved: [BlobMove.Made], _ transaction: SQLiteWriter.Transaction) throws -> Bool {
        guard transaction.watched.isUntouched(thread) else { return false }
        let statement = try transaction.db.cachedStatement(
            sql: "UPDATE blobs SET base = ?, encoding = ?, payload = ? WHERE blob = ? AND thread = ?")
        for blob in moved {
            try blob.stored.payload.withBytes { payload in
                try statement.run { parameters in
                    parameters.bind(blob.base)
                    parameters.bind(blob.stored.code)
                    parameters.bind(inPlace: payload)
                    parameters.bind(blob.row)
                    parameters.bind(number)
                }
            }
        }
        return true
    }

    /// The same for all that is left.
    func deleteRest(_ transaction: SQLiteWriter.Transaction) throws -> Bool {
        guard transaction.watched.isUntouched(thread) else { return false }
        try SQLiteStore.deleteThread(thread, transaction)
        return true
    }
}

/// A blob that stays longer than the one it is kept as a difference from: it gets another base, or none.
///
/// Its row stays, with its value: what is kept as a difference from it stays right, and so does what is remembered of it.
struct BlobMove: Sendable {
    /// Links that a chain gets at most in this way.
    private static let longestPath = 24

    let blob: StoredOutline.Blob
    /// Nil when it is kept by itself.
    let base: StoredOutline.Blob?

    /// What a row becomes.
    struct Made: Sendable {
        let row: Int64
        let base: Int64?
        let stored: StoredBytes
    }

    /// Those that are needed where rows go at given steps, and the channels of which nothing goes because they are damaged.
    static func all(
        _ blobs: [StoredOutline.Blob],
        goneAt: [Int64: Int],
        _ db: Database
    ) throws -> (moves: [BlobMove], damaged: Set<StoredOutline.Channel>) {
        var moves: [BlobMove] = []
        var damaged: Set<StoredOutline.Channel> = []
        for (channel, blobs) in Dictionary(grouping: blobs, by: \.channel) {
            let (own, readable) = try ofChannel(blobs.sorted { $0.row < $1.row }, goneAt, db)
            if readable { moves += own } else { damaged.insert(channel) }
        }
        return (moves.sorted { $0.blob.row < $1.blob.row }, damaged)
    }

    private static func ofChannel(
        _ blobs: [StoredOutline.Blob],
        _ goneAt: [Int64: Int],
        _ db: Database
    ) throws -> (moves: [BlobMove], isReadable: Bool) {
        func end(_ row: Int64) -> Int { goneAt[row] ?? .max }
        guard blobs.contains(where: { goneAt[$0.row] != nil }) else { return ([], true) }
        var moves: [BlobMove] = []
        var depths: [Int64: Int] = [:]
        for (number, blob) in blobs.enumerated() {
            var baseRow = blob.base
            if let old = blob.base, end(old) < end(blob.row) {
                // Of those that stay as long the nearest has most in common with it.
                var base = blobs[..<number].last { $0.position < blob.position && end($0.row) >= end(blob.row) }
                if let found = base, depths[found.row] ?? 0 >= longestPath { base = nil }
                moves.append(BlobMove(blob: blob, base: base))
                baseRow = base?.row
            }
            depths[blob.row] = baseRow.map { (depths[$0] ?? 0) + 1 } ?? 0
        }
        do {
            for move in moves { _ = try move.blob.read(db) }
            return (moves, true)
        } catch let error as StoreError where error.kind == .corrupt {
            return ([], false)
        }
    }

    /// Reads and compresses; changes nothing.
    func make(_ db: Database) throws -> Made {
        let value = try blob.read(db)
        let name = blob.channelName.version(blob.key.version.version, type: value.type)
        if let base, let bytes = value.bytes, let baseBytes = try base.read(db).bytes,
            let stored = StoredBytes.splice(bytes, from: baseBytes, named: name)
        {
            return Made(row: blob.row, base: base.row, stored: stored)
        }
        return Made(row: blob.row, base: nil, stored: .alone(value.bytes, named: name))
    }
}

extension StoredOutline {
    struct Channel: Hashable, Sendable {
        let namespace: Identifier
        let channel: Identifier
    }
}

extension StoredOutline.Blob {
    var channel: StoredOutline.Channel {
        StoredOutline.Channel(namespace: key.namespace, channel: key.version.channel)
    }
}
