import Checkpoints
import JSON
import Synchronization
@testable import Transfer

/// An export that is not what was written is never imported as a whole, and what is stored of it is what was written.
enum ImportProperty {
    static func check(_ input: [UInt8]) {
        var choices = Choices(input)
        switch choices.byte() % 4 {
        case 0: checkLines(&choices)
        case 1: checkFile(Array(choices.rest))
        default: checkEdits(&choices)
        }
    }

    // MARK: - Damage

    /// A good export in several frames, and what is in it.
    private static let sample: (bytes: [UInt8], contents: [ThreadKey: Set<ThreadRow>]) = wait {
        do {
            let store = MemoryStore()
            for name in ["first", "second \u{e9}\n\"", "third"] as [Identifier] {
                try await store.add(rows(of: ThreadKey(name), count: 3), to: ThreadKey(name))
            }
            let long = ThreadKey("z long", tenant: Tenant(name: "acme"))
            try await store.add(rows(of: long, count: 40), to: long)
            return (try await export(of: store, frameBytes: 900), try await contents(of: store))
        } catch {
            fatalError("no export: \(error)")
        }
    }

    private static func rows(of thread: ThreadKey, count: Int) -> [ThreadRow] {
        (0..<count).map { number in
            let id = Identifier("id \(number)")
            switch number % 3 {
            case 0:
                let key = CheckpointKey(thread: thread, namespace: "", id: id)
                let document = JSONText(trusted: Array("{ \"n\" : [1e16,\"\\ud800\"]}".utf8))
                return .checkpoint(Checkpoint(key: key, parentID: nil, document: document, metadata: .emptyObject))
            case 1:
                let bytes = (0..<number * 9).map { UInt8(truncatingIfNeeded: $0 &* 37) }
                return .blob(namespace: "ns", ChannelBlob(channel: "a", version: id, type: "msgpack", bytes: bytes))
            default:
                let write = PendingWrite(
                    taskID: "t", index: Int32(number), channel: "a", type: nil, bytes: [1, 2], taskPath: "~")
                return .write(namespace: "", checkpointID: "id 0", write)
            }
        }
    }

    private static func checkEdits(_ choices: inout Choices) {
        var file = sample.bytes
        while !choices.isEmpty { edit(&file, &choices) }
        checkFile(file)
    }

    private static func edit(_ file: inout [UInt8], _ choices: inout Choices) {
        let place = choices.number(below: file.count)
        let other = choices.number(below: file.count)
        guard !file.isEmpty else { return }
        switch choices.byte() % 6 {
        case 0: file[place] ^= 1 << (choices.byte() % 8)
        case 1: file[place] = choices.byte()
        case 2: file.removeSubrange(min(place, other)..<max(place, other))
        case 3: file.insert(contentsOf: file[min(place, other)..<max(place, other)], at: place)
        case 4: file.insert(contentsOf: choices.bytes(Int(choices.byte()) % 8), at: place)
        default: swapFrames(&file, place, other)
        }
    }

    /// Exchanges two frames, or puts one in the place of another.
    private static func swapFrames(_ file: inout [UInt8], _ place: Int, _ other: Int) {
        let starts = file.indices.filter { file[$0...].starts(with: [0x28, 0xB5, 0x2F, 0xFD]) }
        guard !starts.isEmpty else { return }
        var frames = zip(starts, starts.dropFirst() + [file.count]).map { Array(file[$0..<$1]) }
        let (one, two) = (place % frames.count, other % frames.count)
        if place % 2 == 0 { frames.swapAt(one, two) } else { frames[one] = frames[two] }
        file = frames.flatMap { $0 }
    }

    private static func checkFile(_ file: [UInt8]) {
        let (result, stored) = imported(file)
        let whole = stored.filter { $0.value == sample.contents[$0.key] }
        if result.failure == nil {
            require(stored == sample.contents, "what is imported without a failure is what was written")
        }
        require(result.different.isEmpty, "an empty store has nothing else of a thread")
        require(result.imported <= whole.count, "threads that count as imported are whole")
        for (thread, rows) in stored {
            require(rows.isSubset(of: sample.contents[thread] ?? []), "every row is one of its thread")
        }
    }

    // MARK: - Lines

    /// Lines of the input's own, in good frames with good digests: only their content is wrong.
    ///
    /// A line that begins with `>` begins a thread, `.` a frame; what else is there is a row.
    private static func checkLines(_ choices: inout Choices) {
        let lines = choices.rest.split(separator: 0x0A).map(Array.init)
        var file = ExportText()
        for line in lines {
            switch line.first {
            case UInt8(ascii: ">"): file.begin(Identifier(String(decoding: line.dropFirst(), as: UTF8.self)))
            case UInt8(ascii: "."): file.endFrame()
            default: file.add(line)
            }
        }
        let export = file.finish()
        let (result, stored) = imported(export)
        require(stored.count >= result.imported, "a thread that is imported is there")
        guard result.failure == nil, result.different.isEmpty else { return }
        let rows = stored.values.reduce(0) { $0 + $1.count }
        require(rows == result.rowsAdded, "\(rows) rows of \(result.rowsAdded)")
        let again = wait { () async -> (Bool, Int) in
            // What a store has of it is written as the lines that came.
            let target = MemoryStore()
            guard (await ThreadImport(into: target).run(reader(export))).failure == nil,
                let written = try? await self.export(of: target, frameBytes: 4 << 20)
            else { return (false, 0) }
            let second = await ThreadImport(into: target).run(reader(written))
            return (second.failure == nil && second.different.isEmpty, second.alreadyThere)
        }
        require(again.0 && again.1 == stored.count, "what was imported is exported, and is the same")
    }

    // MARK: - Export and import

    private static func imported(_ file: [UInt8]) -> (ThreadImport.Result, [ThreadKey: Set<ThreadRow>]) {
        wait {
            let store = MemoryStore()
            let result = await ThreadImport(into: store).run(reader(file))
            do {
                let found = try await contents(of: store)
                // An import that takes the rows of a frame that is damaged.
                return subject((result, found)) { _ in (ThreadImport.Result(), file.count % 7 == 3 ? [:] : found) }
            } catch {
                fatalError("no contents: \(error)")
            }
        }
    }

    private static func reader(_ file: [UInt8]) -> ExportReader {
        var rest = file[...]
        return ExportReader { count throws(TransferError) in
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
    }

    private static func export(of store: MemoryStore, frameBytes: Int) async throws -> [UInt8] {
        let written = Mutex<[UInt8]>([])
        let writer = ExportWriter(frameBytes: frameBytes) { bytes in written.withLock { $0 += Array(bytes) } }
        try writer.begin(store: "memory:", program: "1")
        try await ThreadExport(of: store, to: writer).run()
        return written.withLock { $0 }
    }

    private static func contents(of store: MemoryStore) async throws -> [ThreadKey: Set<ThreadRow>] {
        var contents: [ThreadKey: Set<ThreadRow>] = [:]
        for thread in try await store.threads(after: nil, limit: .max) {
            let rows = Mutex<Set<ThreadRow>>([])
            try await store.rows(of: thread) { row in rows.withLock { _ = $0.insert(row) } }
            contents[thread] = rows.withLock { $0 }
        }
        return contents
    }
}

/// An export of whatever lines, with the frames, digests and numbers that it should have.
private struct ExportText {
    private var file: [UInt8] = []
    private var lines = JSONWriter()
    private var digest = RowDigests()
    private var isInThread = false
    private var counts = (threads: 0, rows: 0)

    init() {
        lines.header(store: "memory:", program: "1")
    }

    mutating func begin(_ thread: Identifier) {
        endThread()
        lines.thread(ThreadKey(thread))
        isInThread = true
    }

    mutating func add(_ line: [UInt8]) {
        let line = line + [0x0A]
        lines.bytes += line
        // What is no row is not counted as one.
        if line.withUnsafeBytes({ ExportLine.isRow($0) }) {
            digest.lines.append(line)
            counts.rows += 1
        }
    }

    mutating func endFrame() {
        guard let frame = lines.bytes.withUnsafeBytes({ ZstandardFrame.compress($0) }) else { return }
        file += frame
        lines.bytes = []
    }

    mutating func finish() -> [UInt8] {
        endThread()
        lines.complete(threads: counts.threads, rows: counts.rows)
        endFrame()
        return file
    }

    private mutating func endThread() {
        guard isInThread else { return }
        lines.end(digest.value)
        digest = RowDigests()
        isInThread = false
        counts.threads += 1
    }

    private struct RowDigests {
        var lines: [[UInt8]] = []

        var value: ThreadDigest {
            var digest = RowDigest()
            for line in lines { line.withUnsafeBytes { digest.add($0) } }
            return digest.value
        }
    }
}
