import Checkpoints
import JSON
import SQLiteStorage
import TestSupport
import Testing
import Transfer

@Suite("Export and import", .timeLimit(.minutes(5)))
struct TransferTests {
    @Test("a store comes back whole, whatever the frames are", arguments: [1, 700, 5_000, 4 << 20])
    func roundTrip(frameBytes: Int) async throws {
        let source = MemoryStore()
        try await ExportSample.filled(source)
        let export = try await ExportSample.export(of: source, frameBytes: frameBytes)
        try await Backend.sqlite.withStore { target in
            let result = await ThreadImport(into: target).run(ExportReader(export, chunk: 1_000))
            #expect(result.failure == nil && result.imported == 5 && result.threads == 5)
            #expect(result.rowsAdded == 3 * 6 + 1 + 40)
            let again = try await ExportSample.export(of: target, frameBytes: frameBytes)
            #expect(again == export)

            let second = await ThreadImport(into: target).run(ExportReader(export))
            #expect(second.failure == nil && second.alreadyThere == 5 && second.rowsAdded == 0 && second.imported == 0)
        }
    }

    @Test("an empty store has an export, and an empty thread leaves no trace")
    func empty() async throws {
        let export = try await ExportSample.export(of: VanishedThreads())
        #expect(try ExportReader(export).readAll().isEmpty)
        let result = await ThreadImport(into: MemoryStore()).run(ExportReader(export))
        #expect(result.failure == nil && result.threads == 0)
    }

    @Test("what the target has of a thread is passed over, and the rest is added")
    func resumed() async throws {
        let (source, target) = (MemoryStore(), MemoryStore())
        try await ExportSample.filled(source)
        let long = ThreadKey("zz long")
        try await target.add(Array(try await source.allRows(of: long).prefix(15)), to: long)
        for frameBytes in [700, 4 << 20] {
            let export = try await ExportSample.export(of: source, frameBytes: frameBytes)
            let result = await ThreadImport(into: target).run(ExportReader(export))
            #expect(result.failure == nil && result.threads == 5)
            #expect(try await target.contents() == Self.onOneLine(source.contents()))
        }
    }

    @Test("a thread that differs in the target is named, and the others are imported")
    func different() async throws {
        let (source, target) = (MemoryStore(), MemoryStore())
        try await ExportSample.filled(source)
        try await target.add([.blob(namespace: "", .sample("a", "1", [9]))], to: ThreadKey("first"))
        try await target.add([.blob(namespace: "more", .sample("a"))], to: ThreadKey("zz long"))
        let export = try await ExportSample.export(of: source)
        let result = await ThreadImport(into: target).run(ExportReader(export))
        #expect(result.failure == nil && result.imported == 3)
        #expect(result.different == [ThreadKey("first"), ThreadKey("zz long")])
    }

    @Test("a checkpoint that is there with other content stays, and its thread is named as different")
    func keepsNewerCheckpoints() async throws {
        let (source, target) = (MemoryStore(), MemoryStore())
        try await source.put(.sample(document: #"{"from":"the export"}"#), blobs: [])
        let own = Checkpoint.sample(parent: "p", document: #"{"from":"the store"}"#)
        try await target.put(own, blobs: [])
        let result = await ThreadImport(into: target).run(ExportReader(try await ExportSample.export(of: source)))
        #expect(result.failure == nil && result.imported == 0 && result.different == [ThreadKey("t1")])
        #expect(try await target.tuple(in: ThreadKey("t1"), namespace: "", id: nil)?.checkpoint == own)
    }

    @Test("an export that was cut off anywhere goes on to the same content")
    func continued() async throws {
        let source = MemoryStore()
        try await ExportSample.filled(source)
        let export = try await ExportSample.export(of: source, frameBytes: 700)
        for cut in stride(from: 1, to: export.count, by: 7) {
            let reader = ExportReader(Array(export[..<cut]))
            let error = #expect(throws: TransferError.self) { try reader.readAll() }
            guard error?.kind == .cutOff else {
                // In the header's frame.
                #expect(error?.kind == .notAnExport && reader.boundary.offset == 0)
                continue
            }
            let boundary = reader.boundary
            let rest = try await ExportSample.export(
                of: source, after: boundary.last, continuing: boundary.counts, frameBytes: 700)
            let parts = try ExportReader(Array(export[..<boundary.offset]) + rest).readAll()
            #expect(parts.filter { $0.digest != nil }.count == 5)
        }
    }

    /// Documents as an import leaves them: line breaks between their parts are spaces.
    private static func onOneLine(_ contents: [ThreadKey: [ThreadRow]]) -> [ThreadKey: [ThreadRow]] {
        contents.mapValues { rows in
            rows.map { row in
                guard case .checkpoint(let checkpoint) = row else { return row }
                let text = checkpoint.document.bytes.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
                return .checkpoint(
                    Checkpoint(
                        key: checkpoint.key, parentID: checkpoint.parentID, document: JSONText(trusted: text),
                        metadata: checkpoint.metadata
                    )
                )
            }
        }
    }
}

/// A store whose threads are deleted between being listed and being read.
private struct VanishedThreads: ThreadSource {
    func threads(after last: ThreadKey?, limit: Int) async throws(StoreError) -> [ThreadKey] {
        last == nil ? [ThreadKey("gone")] : []
    }

    func rows(of: ThreadKey, _: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void) async throws(StoreError) {}
}
