package import Checkpoints
import Synchronization

/// Brings every value of a store to one state: sealed with the first key, or in clear.
///
/// A thread at a time, each in one transaction, so that it can end at any moment and go on later; threads that are as they
/// should be are only read. Ends when a whole pass found nothing to do, so that it has read every value back.
package struct Rekeying: Sendable {
    package enum Goal: Sendable {
        case seal
        case open
    }

    /// What was done so far.
    package struct Progress: Sendable {
        /// Threads that were read in this pass, and rewritten in all.
        package var checked = 0
        package var rewritten = 0
    }

    package struct Result: Sendable {
        package var rewritten = 0
        /// Threads that could not be opened, and why; they are as they were.
        package var failed: [(thread: ThreadKey, error: StoreError)] = []
    }

    private static let pageThreads = 1_000
    /// Passes after which somebody else must be writing with other keys, or none.
    private static let passLimit = 8

    private let base: any SealableStore
    private let keys: EncryptionKeys
    private let goal: Goal
    private let acceptsPlaintext: Bool

    /// `acceptsPlaintext`: whether values in clear are taken also where all should be sealed.
    package init(_ base: any SealableStore, keys: EncryptionKeys, _ goal: Goal, acceptsPlaintext: Bool = false) {
        self.base = base
        self.keys = keys
        self.goal = goal
        self.acceptsPlaintext = acceptsPlaintext
    }

    /// Marks the store last, and only when every thread could be opened.
    ///
    /// `report` may be called at any rate.
    package func run(
        _ report: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws(StoreOpenError) -> Result {
        let state: EncryptionState
        do throws(StoreError) {
            state = try await base.encryptionState()
        } catch {
            throw StoreOpenError(error)
        }
        let isInPlace = state == .sealed && goal == .seal
        if state == .clear, goal == .open { return Result() }
        if !isInPlace, state != .mixed { try await base.setEncryptionState(.mixed) }
        var result = Result()
        do throws(StoreError) {
            let takesPlaintext = acceptsPlaintext || !isInPlace
            for pass in 1... {
                let rewritten = result.rewritten
                try await runPass(&result, takesPlaintext: takesPlaintext, report)
                if result.rewritten == rewritten { break }
                guard pass < Self.passLimit else {
                    throw StoreError(
                        .busy, during: "rekey the store",
                        detail: "others go on writing with other keys or none; stop those servers and run it again")
                }
            }
        } catch {
            throw StoreOpenError(error)
        }
        if result.failed.isEmpty, !isInPlace {
            try await base.setEncryptionState(goal == .seal ? .sealed : .clear)
        }
        return result
    }

    private func runPass(
        _ result: inout Result,
        takesPlaintext: Bool,
        _ report: @Sendable (Progress) -> Void
    ) async throws(StoreError) {
        result.failed = []
        var progress = Progress(rewritten: result.rewritten)
        var last: ThreadKey?
        while true {
            let page = try await base.threads(after: last, limit: Self.pageThreads)
            for thread in page {
                let sealer = ThreadSealer(thread, keys, acceptsPlaintext: takesPlaintext)
                do throws(StoreError) {
                    if try await needsRewriting(thread, sealer) {
                        try await rewrite(thread, sealer)
                        progress.rewritten += 1
                    }
                } catch  where error.kind == .corrupt || error.isKeyMissing {
                    result.failed.append((thread, error))
                }
                progress.checked += 1
                report(progress)
            }
            last = page.last ?? last
            if page.count < Self.pageThreads { break }
        }
        result.rewritten = progress.rewritten
    }

    /// Opens every value on the way.
    private func needsRewriting(_ thread: ThreadKey, _ sealer: ThreadSealer) async throws(StoreError) -> Bool {
        let found = Mutex(false)
        let goal = goal
        try await base.rows(of: thread) { row throws(StoreError) in
            _ = try sealer.open(row)
            let isDone = goal == .seal ? sealer.isCurrent(row) : sealer.isClear(row)
            if !isDone { found.withLock { $0 = true } }
        }
        return found.withLock { $0 }
    }

    private func rewrite(_ thread: ThreadKey, _ sealer: ThreadSealer) async throws(StoreError) {
        let goal = goal
        _ = try await base.rewrite(thread, as: thread) { row throws(StoreError) in
            let opened = try sealer.open(row)
            return goal == .seal ? try sealer.seal(opened) : opened
        }
    }
}

extension StoreError {
    /// Whether it is about a value that some other key would open.
    fileprivate var isKeyMissing: Bool { kind == .unavailable && operation.hasPrefix("decrypt ") }
}
