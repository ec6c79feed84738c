import Checkpoints
import Foundation
import GRDB
import JSON
import SQLiteStorage
import TestSupport
import Testing

/// Changes that meet a failing disk, what was answered, and what may be there afterwards.
struct DiskScript {
    typealias Contents = [ThreadKey: [ThreadRow]]

    /// One transaction, or one that is made by the next step again, and a copy.
    enum Step: Sendable {
        case call(SimulatedCall)
        case backup

        func run(on store: any Backend.Store, _ disk: FaultyDisk? = nil) async throws {
            switch self {
            case .call(let call):
                if case .failed(let kind) = try await call.answer(on: store) { throw StoreError(kind, during: "step") }
            case .backup:
                guard let disk else { return }
                let copy = disk.directory.file("copy.db")
                try Data().write(to: URL(fileURLWithPath: copy))
                _ = try SQLiteBackup.copy(from: disk.path, to: copy)
            }
        }
    }

    /// One of each: new rows, rows again, chains, everything that takes rows away, and a copy.
    static let steps: [Step] = {
        func put(_ id: Identifier, _ version: Int, _ thread: ThreadKey = ThreadKey("t1")) -> Step {
            let text = (0..<(40 * version)).map { "message \($0) of this thread; " }.joined()
            let document = JSONText(stringLiteral: #"{"channel_versions":{"a":"\#(version)"}}"#)
            let blob = ChannelBlob.sample("a", Identifier("\(version)"), Array(text.utf8))
            let run = JSONText(stringLiteral: #"{"run_id":"r\#(version)"}"#)
            return .call(
                .put(.sample(.sample(id, thread: thread), document: document, metadata: run), [blob], .any))
        }
        func write(_ byte: UInt8, _ policy: WriteConflictPolicy) -> Step {
            let writes = [PendingWrite.sample("task", 0, [UInt8](repeating: byte, count: 6_000))]
            return .call(.putWrites([WriteGroup(writes, onConflict: policy)], .sample("c2")))
        }
        let now = WallTime(milliseconds: 4_000_000_000_000)
        return [
            put("c1", 1), put("c2", 2), write(1, .keepFirst), write(2, .replace), put("c3", 4), put("c2", 5),
            .call(.deleteRuns(["r1"], .default)), .call(.copyThread(ThreadKey("t1"), "copy")), .backup,
            .call(.prune(ThreadKey("copy"), .keepLatest(1), isDryRun: false)),
            .call(.retain(ThreadKey("t1"), RetentionPolicy(keepLast: 1), now, portion: 1_000, isRefused: false)),
            put("c1", 3, ThreadKey("t2")), .call(.deleteThread(ThreadKey("copy"))), put("c4", 6),
        ]
    }()

    /// What is stored when all these steps have succeeded, one after the other, on what `first` has.
    private func contents(after steps: [Step]) async throws -> Contents {
        let oracle = MemoryStore()
        for step in steps { try await step.run(on: oracle) }
        return try await oracle.contents().merging(first) { found, _ in found }
    }

    private let disk: FaultyDisk
    private let fault: FaultyDisk.Fault
    /// What was there before, which no step names.
    private let first: Contents
    /// What has to be there: steps that were answered, and those that were refused and are seen.
    private var done: [Step] = []
    /// Steps that failed since the last one that is done: one of them may be there after a crash.
    private var doubtful: [Step] = []
    private var random: SeededGenerator

    /// What this came to.
    private(set) var figures = Figures()

    struct Figures {
        var faults = 0
        var refusals = 0
        /// Refusals of what is there all the same.
        var doneAndRefused = 0
        var failedStarts = 0
        /// Stores opened after a kill or a loss of power.
        var restarts = 0
        var losses: [String] = []

        static func += (sum: inout Figures, more: Figures) {
            sum.faults += more.faults
            sum.refusals += more.refusals
            sum.doneAndRefused += more.doneAndRefused
            sum.failedStarts += more.failedStarts
            sum.restarts += more.restarts
            sum.losses += more.losses
        }
    }

    /// Moments of a start at which the power is lost, and of those in which it moves the log; more where the disk has lost something already.
    private var lossesOfStart: Int { fault.call == .sync ? 6 : 2 }

    init(_ disk: FaultyDisk, _ fault: FaultyDisk.Fault, first: Contents = [:], seed: UInt64) {
        random = SeededGenerator(seed: seed &+ UInt64(fault.number))
        self.disk = disk
        self.fault = fault
        self.first = first
    }

    /// Everything in turn; then the disk is well again, and so is the store, which nobody has opened anew.
    mutating func run(_ steps: [Step] = Self.steps) async throws {
        disk.inject(fault)
        let store = try open()
        for step in steps {
            try await run(step, on: store)
            // What was refused may have lost something on the disk; what is answered after it is durable all the same.
            guard fault.call == .sync, figures.refusals > 0 else { continue }
            try await checkAfterLoss(of: disk.image, loss(), possible, "after a loss of power")
        }
        figures.faults += disk.faultsMet
        disk.inject(nil)
        try await run(.call(.put(.sample(.sample("last", thread: ThreadKey("last"))), [.sample("a")], .any)), on: store)
        try await check(store, [done], "at the end")
        try await checkAfterKill()
        await store.close()
        let again = try SQLiteStore(path: disk.path)
        try await check(again, [done], "after closing")
        await again.close()
    }

    /// Until a step is refused, or the log cannot be moved, and then the process is killed.
    ///
    /// The log is moved after each step, so that it has nothing of what an earlier one wrote: what a later start moves
    /// in half is then mended by nothing.
    mutating func runUntilKilled() async throws {
        disk.inject(fault)
        let store = try open()
        var goesOn = true
        for step in Self.steps where goesOn {
            try await run(step, on: store)
            let isMoved = (try? await store.onWriter { _ = try $0.checkpoint(.passive) }) != nil
            goesOn = isMoved && figures.refusals == 0
        }
        figures.faults += disk.faultsMet
        if !goesOn { try await checkAfterKill() }
        await store.close()
    }

    /// A start that fails names the file, and a disk that is well again is all that it takes.
    private mutating func open() throws -> SQLiteStore {
        do throws(StoreOpenError) {
            return try SQLiteStore(path: disk.path)
        } catch {
            #expect(error.kind == .notAccessible && error.problem.contains(disk.path), "\(fault): \(error)")
            #expect(disk.faultsMet > 0, "\(fault)")
            figures.faults += disk.faultsMet
            figures.failedStarts += 1
        }
        disk.inject(nil)
        return try SQLiteStore(path: disk.path)
    }

    private mutating func run(_ step: Step, on store: SQLiteStore) async throws {
        let metBefore = disk.faultsMet
        do {
            try await step.run(on: store, disk)
            done.append(step)
            doubtful = []
            return
        } catch let error as StoreError {
            let expected: StoreError.Kind = fault.code == .SQLITE_FULL ? .full : .unavailable
            #expect(error.kind == expected, "\(fault): \(step): \(error.debugDescription)")
        } catch let error as StoreOpenError {
            #expect(error.kind == .notAccessible && error.problem.contains(disk.directory.path), "\(fault): \(error)")
        }
        figures.refusals += 1
        // A disk that failed once is well again.
        #expect(disk.faultsMet > metBefore, "\(fault): refused without a fault: \(step)")
        // Reads go on, whatever the disk does to writes; and a step that did all of it but the last look was done.
        let found = try await store.contents()
        if found == (try await contents(after: done)) {
            doubtful.append(step)
        } else {
            figures.doneAndRefused += 1
            done.append(step)
            doubtful = []
            try await check(found, [done], "half of a step")
        }
    }

    /// What may be there after a crash.
    private var possible: [[Step]] { [done] + doubtful.map { done + [$0] } }

    private mutating func loss() -> DiskImage.Loss { Bool.random(using: &random) ? .all : .some }

    /// The process is killed, starts again and goes on; the power is lost at some moment of that.
    private mutating func checkAfterKill() async throws {
        let possible = possible
        let next = try disk.restarted(crashEvery: 1)
        let store = try SQLiteStore(path: next.path)
        let now = try await check(store, possible, "after a kill") ?? done
        let starting = next.crashes
        let more = Step.call(.put(.sample(.sample("more", thread: ThreadKey("more"))), [.sample("b")], .any))
        try await more.run(on: store)
        // Before the store moves its log.
        let image = next.image
        await store.close()
        try await checkAfterLoss(of: image, .all, [now + [more]], "after a kill, a start and a loss of power")
        // Most can go wrong while the log is moved into the file.
        let moving = starting.filter { $0.image.hasUnsynced("a.db") }.shuffled(using: &random).prefix(lossesOfStart)
        for crash in moving + starting.shuffled(using: &random).prefix(lossesOfStart) {
            try await checkAfterLoss(of: crash.image, loss(), possible, "after a kill and a loss of power in the start")
        }
    }

    private mutating func checkAfterLoss(
        of image: DiskImage, _ loss: DiskImage.Loss, _ possible: [[Step]], _ moment: String
    ) async throws {
        let directory = try TemporaryDirectory()
        try image.write(to: directory, losing: loss, &random)
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await check(store, possible, moment)
        await store.close()
    }

    @discardableResult
    private mutating func check(_ store: SQLiteStore, _ possible: [[Step]], _ moment: String) async throws -> [Step]? {
        figures.restarts += 1
        let damage = try await store.verify()
        if !damage.isEmpty { figures.losses.append("\(fault): \(moment): \(damage.map(\.description))") }
        do {
            return try await check(try await store.contents(), possible, moment)
        } catch let error as StoreError where error.kind == .corrupt {
            figures.losses.append("\(fault): \(moment): \(error)")
            return nil
        }
    }

    @discardableResult
    private mutating func check(_ found: Contents, _ possible: [[Step]], _ moment: String) async throws -> [Step]? {
        for steps in possible where found == (try await contents(after: steps)) { return steps }
        let rows = found.map { "\($0.key.id.text): \($0.value.count)" }.sorted()
        figures.losses.append("\(fault): \(moment): \(rows) after \(done.count) steps, \(doubtful.count) refused")
        return nil
    }
}
