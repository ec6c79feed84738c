import Checkpoints
import JSON
import Synchronization
import TestSupport
import Transfer

/// Exports in memory.
enum ExportSample {
    /// Threads of each kind of row, with texts that need escapes; the last one is long.
    static func filled(_ store: MemoryStore, longRows: Int = 40) async throws {
        for name in ["first", "second \u{e9}\n\"", "third"] as [Identifier] {
            let thread = ThreadKey(name)
            let key = CheckpointKey.sample(thread: thread)
            let document: JSONText =
                "{ \"channel_versions\" :\n{\"a\":\"1\"},\r\n\"text\":\"a\\nb \\ud800\",\"n\":1e16}"
            try await store.put(
                .sample(key, parent: "p", document: document),
                blobs: [
                    .sample("a", "1", Array(0...255)), .sample("b", "1", type: "empty", nil), .sample("c", "1", []),
                ]
            )
            try await store.putWrites(
                [.sample("t", 0, path: "~p"), .sample("t", -3, type: nil, [])], for: key, onConflict: .replace)
        }
        let orphan = CheckpointKey.sample(thread: ThreadKey("orphan", tenant: Tenant(name: "acme")))
        try await store.putWrites([.sample()], for: orphan, onConflict: .keepFirst)
        let rows = (0..<longRows).map { number in
            ThreadRow.blob(namespace: "", .sample("a", Identifier("\(100 + number)"), Array(repeating: 7, count: 900)))
        }
        try await store.add(rows, to: ThreadKey("zz long"))
    }

    static func export(
        of store: any ThreadSource,
        after last: ThreadKey? = nil,
        continuing counts: TransferCounts? = nil,
        frameBytes: Int = 4 << 20
    ) async throws -> [UInt8] {
        let written = Mutex<[UInt8]>([])
        let writer = ExportWriter(continuing: counts ?? TransferCounts(), frameBytes: frameBytes) { bytes in
            written.withLock { $0.append(contentsOf: bytes) }
        }
        if counts == nil { try writer.begin(store: "memory:", program: "1.2.3") }
        try await ThreadExport(of: store, to: writer).run(after: last)
        return written.withLock { $0 }
    }
}

extension ExportReader {
    /// Reads bytes a few at a time.
    convenience init(_ bytes: [UInt8], chunk: Int = .max) {
        var rest = bytes[...]
        self.init { count throws(TransferError) in
            defer { rest = rest.dropFirst(min(count, chunk)) }
            return Array(rest.prefix(min(count, chunk)))
        }
    }

    func readAll() throws(TransferError) -> [Part] {
        var parts: [Part] = []
        while let part = try next() { parts.append(part) }
        return parts
    }
}
