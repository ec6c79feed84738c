import Checkpoints
import TestSupport
import Testing
import Transfer

/// Whatever a file has become, no thread is called imported that is not what was exported.
@Suite("Damaged exports", .timeLimit(.minutes(5)))
struct DamagedExportTests {
    private let source = MemoryStore()

    /// What a target holds, as it is after the whole export was imported.
    private func whole() async throws -> (export: [UInt8], contents: [ThreadKey: [ThreadRow]]) {
        try await ExportSample.filled(source, longRows: 6)
        let export = try await ExportSample.export(of: source, frameBytes: 2_000)
        let target = MemoryStore()
        let result = await ThreadImport(into: target).run(ExportReader(export))
        #expect(result.failure == nil && result.imported == 5)
        return (export, try await target.contents())
    }

    @Test("cut at every byte: refused, what is claimed is right, and nothing wrong is stored")
    func cut() async throws {
        let (export, contents) = try await whole()
        for cut in 0..<export.count {
            let target = MemoryStore()
            let result = await ThreadImport(into: target).run(ExportReader(Array(export[..<cut])))
            try await check(result, target, contents, "cut at \(cut)")
            #expect(result.failure?.kind == .cutOff || result.failure?.kind == .notAnExport, "cut at \(cut)")
        }
    }

    @Test("a changed byte anywhere: refused, what is claimed is right, and nothing wrong is stored")
    func changed() async throws {
        let (export, contents) = try await whole()
        var random = SeededGenerator(seed: testSeed("DamagedExportTests.changed"))
        for place in export.indices {
            var damaged = export
            damaged[place] ^= UInt8.random(in: 1...255, using: &random)
            let target = MemoryStore()
            let result = await ThreadImport(into: target).run(ExportReader(damaged))
            // Bits of a frame's header that mean nothing to a reader may change.
            if result.failure == nil {
                #expect(try await target.contents() == contents, "changed at \(place)")
            } else {
                try await check(result, target, contents, "changed at \(place)")
            }
        }
    }

    @Test("frames that are missing or twice are refused; in another order they are, or it makes no difference")
    func frames() async throws {
        let (export, contents) = try await whole()
        let frames = try self.frames(of: export)
        #expect(frames.count > 5)
        var files: [[[UInt8]]] = frames.indices.map { missing in
            frames.enumerated().filter { $0.offset != missing }.map(\.element)
        }
        files += frames.indices.map { Array(frames[...$0] + frames[$0...]) }
        for place in frames.indices.dropLast() {
            var swapped = frames
            swapped.swapAt(place, place + 1)
            let target = MemoryStore()
            let result = await ThreadImport(into: target).run(ExportReader(swapped.flatMap { $0 }))
            if result.failure == nil {
                #expect(try await target.contents() == contents && result.different == [], "swapped at \(place)")
            } else {
                try await check(result, target, contents, "swapped at \(place)")
            }
        }
        for (number, file) in files.enumerated() {
            let target = MemoryStore()
            let result = await ThreadImport(into: target).run(ExportReader(file.flatMap { $0 }))
            #expect(result.failure != nil, "file \(number)")
            try await check(result, target, contents, "file \(number)")
        }
    }

    @Test("a frame in the place of any other is refused, also when both have as many threads and rows")
    func replaced() async throws {
        let (export, contents) = try await whole()
        let frames = try self.frames(of: export)
        for place in frames.indices {
            for other in frames.indices where frames[other] != frames[place] {
                var file = frames
                file[place] = frames[other]
                let target = MemoryStore()
                let result = await ThreadImport(into: target).run(ExportReader(file.flatMap { $0 }))
                try await check(result, target, contents, "frame \(other) in the place of \(place)")
            }
        }
    }

    @Test("other files and later forms are refused, and say so")
    func refused() async throws {
        for bytes in [[], Array("no export".utf8), Array("{\"milepost_export\":1}\n".utf8)] as [[UInt8]] {
            let result = await ThreadImport(into: MemoryStore()).run(ExportReader(bytes))
            #expect(result.failure?.kind == .notAnExport)
        }
        let later = await ThreadImport(into: MemoryStore()).run(ExportReader(frame("{\"milepost_export\":2}\n")))
        #expect(later.failure?.kind == .newerFormat)
        let other = await ThreadImport(into: MemoryStore()).run(ExportReader(frame("{\"a\":2}\n")))
        #expect(other.failure?.kind == .notAnExport)
        let noThread = #"{"milepost_export":1}\#n{"row":"blob"}\#n"#
        let stray = await ThreadImport(into: MemoryStore()).run(ExportReader(frame(noThread)))
        #expect(stray.failure?.description.contains("line 2") == true)
    }

    /// A frame of up to 255 bytes that are not compressed.
    private func frame(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        let block = bytes.count << 3 | 1
        let header: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x20, UInt8(bytes.count)]
        return header + [UInt8(block & 0xFF), UInt8(block >> 8 & 0xFF), 0] + bytes
    }

    private func check(
        _ result: ThreadImport.Result,
        _ target: MemoryStore,
        _ contents: [ThreadKey: [ThreadRow]],
        _ what: Comment
    ) async throws {
        #expect(result.failure != nil, what)
        #expect(result.different == [], what)
        var whole = 0
        for (thread, rows) in try await target.contents() {
            // Parts of a long thread may be there; each row is one of its own.
            #expect(Set(rows).isSubset(of: Set(contents[thread] ?? [])), what)
            if rows == contents[thread] { whole += 1 }
        }
        #expect(result.imported <= whole, what)
    }

    /// The frames of an export, taken apart where each begins.
    private func frames(of export: [UInt8]) throws -> [[UInt8]] {
        let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
        let starts = export.indices.filter { export[$0...].starts(with: magic) }
        return zip(starts, starts.dropFirst() + [export.count]).map { Array(export[$0..<$1]) }
    }
}
