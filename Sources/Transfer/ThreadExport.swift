package import Checkpoints

/// Writes all threads of a source, one after the other, each from a snapshot of its own.
package struct ThreadExport: Sendable {
    private static let pageThreads = 1_000

    private let source: any ThreadSource
    private let writer: ExportWriter

    package init(of source: any ThreadSource, to writer: ExportWriter) {
        self.source = source
        self.writer = writer
    }

    /// Writes the threads after `last`, all when it is nil, and ends the file.
    ///
    /// `report` may be called at any rate. Throws `TransferError`; what was written before is whole.
    package func run(
        after last: ThreadKey? = nil,
        _ report: @escaping @Sendable (TransferCounts) -> Void = { _ in }
    ) async throws {
        var last = last
        while true {
            let page = try await threads(after: last)
            for thread in page {
                try await write(thread, report)
                report(writer.counts)
            }
            last = page.last ?? last
            if page.count < Self.pageThreads { break }
        }
        try writer.finish()
    }

    private func threads(after last: ThreadKey?) async throws(TransferError) -> [ThreadKey] {
        do throws(StoreError) {
            return try await source.threads(after: last, limit: Self.pageThreads)
        } catch {
            throw TransferError(.notAccessible, error.debugDescription, hint: "check the store, and export again")
        }
    }

    private func write(
        _ thread: ThreadKey,
        _ report: @escaping @Sendable (TransferCounts) -> Void
    ) async throws(TransferError) {
        let writer = writer
        writer.begin(thread)
        do throws(StoreError) {
            try await source.rows(of: thread) { row throws(StoreError) in
                do throws(TransferError) {
                    try writer.add(row)
                } catch {
                    throw StoreError(.unexpected, during: "write an export", detail: error.problem)
                }
                report(writer.counts)
            }
        } catch {
            if let failure = writer.failure { throw failure }
            throw TransferError(
                .notAccessible,
                "thread \(thread.id.text.quotedForOneLine) cannot be exported: \(error.debugDescription)",
                hint: "'milepost verify' names what is damaged; correct or delete it there, and export again"
            )
        }
        try writer.endThread()
    }
}
