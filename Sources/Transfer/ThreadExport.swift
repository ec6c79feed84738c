package import Checkpoints

/// Writes threads of a source, one after the other, each from a snapshot of its own.
package struct ThreadExport: Sendable {
    /// A thread that could not be read, and why.
    package struct Damaged: Sendable {
        package let thread: ThreadKey
        package let error: StoreError
    }

    private static let pageThreads = 1_000

    private let source: any ThreadSource
    private let writer: ExportWriter
    private let leavesOutDamaged: Bool
    private let isWanted: @Sendable (ThreadKey) -> Bool

    /// `leavesOutDamaged` says that a damaged thread does not end the export.
    ///
    /// Then one that is longer than a frame is read twice, because nothing of it may be written before all of it is known to
    /// be sound. Threads that are not wanted are passed over.
    package init(
        of source: any ThreadSource,
        to writer: ExportWriter,
        leavesOutDamaged: Bool = false,
        where isWanted: @escaping @Sendable (ThreadKey) -> Bool = { _ in true }
    ) {
        self.isWanted = isWanted
        self.source = source
        self.writer = writer
        self.leavesOutDamaged = leavesOutDamaged
    }

    /// Writes the threads after `last`, all when it is nil, and ends the file.
    ///
    /// `report` may be called at any rate. Throws `TransferError`; what was written before is whole. Returns the threads
    /// that were left out.
    @discardableResult
    package func run(
        after last: ThreadKey? = nil,
        _ report: @escaping @Sendable (TransferCounts) -> Void = { _ in }
    ) async throws -> [Damaged] {
        var last = last
        var damaged: [Damaged] = []
        while true {
            let page = try await threads(after: last)
            for thread in page where isWanted(thread) {
                if let error = try await write(thread, report) { damaged.append(Damaged(thread: thread, error: error)) }
                report(writer.counts)
            }
            last = page.last ?? last
            if page.count < Self.pageThreads { break }
        }
        try writer.finish()
        return damaged
    }

    /// How many threads there are to write.
    ///
    /// Costs a look at the name of each.
    package func threadCount() async throws(TransferError) -> Int {
        var last: ThreadKey?
        var count = 0
        while true {
            let page = try await threads(after: last)
            count += page.count(where: isWanted)
            last = page.last
            if page.count < Self.pageThreads { return count }
        }
    }

    private func threads(after last: ThreadKey?) async throws(TransferError) -> [ThreadKey] {
        do throws(StoreError) {
            return try await source.threads(after: last, limit: Self.pageThreads)
        } catch {
            throw TransferError(.notAccessible, error.debugDescription, hint: "check the store, and export again")
        }
    }

    /// Why it was left out; nil when it was written.
    private func write(
        _ thread: ThreadKey,
        _ report: @escaping @Sendable (TransferCounts) -> Void
    ) async throws(TransferError) -> StoreError? {
        writer.begin(thread, maySplit: !leavesOutDamaged)
        do throws(StoreError) {
            try await read(thread, report)
            if writer.isHeldUp {
                // All of it has been read now, and is sound.
                writer.leaveOut()
                writer.begin(thread)
                try await read(thread, report)
            }
        } catch {
            if let failure = writer.failure { throw failure }
            if leavesOutDamaged, error.kind == .corrupt, !writer.isSplit {
                writer.leaveOut()
                return error
            }
            throw TransferError(
                .notAccessible,
                "thread \(thread.id.text.quotedForOneLine) cannot be exported: \(error.debugDescription)",
                hint: "'milepost verify' names what is damaged; correct or delete it there, and export again"
            )
        }
        try writer.endThread()
        return nil
    }

    private func read(
        _ thread: ThreadKey,
        _ report: @escaping @Sendable (TransferCounts) -> Void
    ) async throws(StoreError) {
        let writer = writer
        try await source.rows(of: thread) { row throws(StoreError) in
            do throws(TransferError) {
                try writer.add(row)
            } catch {
                throw StoreError(.unexpected, during: "write an export", detail: error.problem)
            }
            report(writer.counts)
        }
    }
}
