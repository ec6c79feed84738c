import Checkpoints
import SQLiteStorage
import Synchronization
import TestSupport
import Testing
import Transfer

/// A source of which some threads cannot be read to their end.
private struct DamagedSource: ThreadSource {
    /// Rows of each thread before the damage; a thread without damage has nil.
    let threads: [(name: Identifier, rows: Int, damagedAt: Int?)]

    func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        last == nil ? threads.map { ThreadKey($0.name) } : []
    }

    func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) async throws(StoreError) {
        guard let found = threads.first(where: { $0.name == thread.id }) else { return }
        for number in 0..<found.rows {
            if number == found.damagedAt { throw StoreError(.corrupt, during: "read a thread", detail: "blob row 7") }
            let blob = ChannelBlob.sample("a", Identifier("\(1_000 + number)"), [UInt8](repeating: 7, count: 100))
            try body(.blob(namespace: "", blob))
        }
    }
}

/// What an export does about damage.
@Suite("Damaged threads in an export", .timeLimit(.minutes(5)))
struct DamagedThreadTests {
    private static let frame = 2_000

    private func export(_ source: DamagedSource) async throws -> (left: [ThreadKey], written: [ThreadKey: [ThreadRow]])
    {
        let bytes = Mutex<[UInt8]>([])
        let writer = ExportWriter(frameBytes: Self.frame) { part throws(TransferError) in
            bytes.withLock { $0 += Array(part) }
        }
        try writer.begin(store: "s", program: "p")
        let left = try await ThreadExport(of: source, to: writer, leavesOutDamaged: true).run()
        let target = MemoryStore()
        let file = bytes.withLock { $0 }
        let place = Mutex(0)
        let reader = ExportReader { count throws(TransferError) in
            place.withLock { place in
                let part = Array(file[place..<min(place + count, file.count)])
                place += part.count
                return part
            }
        }
        let result = await ThreadImport(into: target).run(reader)
        #expect(result.failure == nil && result.different.isEmpty)
        return (left.map(\.thread), try await target.contents())
    }

    @Test("a damaged thread is left out, short or long, first or last, and all others are whole")
    func leftOut() async throws {
        let source = DamagedSource(threads: [
            ("damaged at once", 3, 0), ("sound", 5, nil), ("damaged", 5, 3), ("long", 200, nil),
            ("long and damaged", 200, 150), ("also sound", 2, nil), ("damaged at the end", 9, 8),
        ])
        let (left, written) = try await export(source)
        #expect(left == ["damaged at once", "damaged", "long and damaged", "damaged at the end"].map { ThreadKey($0) })
        #expect(
            written.mapValues(\.count) == [ThreadKey("sound"): 5, ThreadKey("long"): 200, ThreadKey("also sound"): 2])
    }

    @Test("unless it is asked for, damage ends the export")
    func ends() async throws {
        let writer = ExportWriter { _ in }
        try writer.begin(store: "s", program: "p")
        let export = ThreadExport(of: DamagedSource(threads: [("damaged", 5, 3)]), to: writer)
        let error = await #expect(throws: TransferError.self) { try await export.run() }
        #expect(error?.description.contains("damaged") == true)
    }
}
