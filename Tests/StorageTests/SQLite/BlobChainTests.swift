import Checkpoints
import Dispatch
import Foundation
import GRDB
import JSON
import SQLiteStorage
import Synchronization
import TestSupport
import Testing

/// Versions of a channel, kept as what each adds, read back as they were.
@Suite("Blob chains", .timeLimit(.minutes(5)))
struct BlobChainTests {
    private let thread = ThreadKey("t1")

    /// Puts each value as the next version of channel `a`, one checkpoint each.
    fileprivate func put(_ values: [[UInt8]?], into store: SQLiteStore, from first: Int = 0) async throws {
        for (index, value) in values.enumerated() {
            let number = first + index
            let version = Identifier(Self.version(number))
            let document = JSONText(stringLiteral: #"{"channel_versions":{"a":"\#(version)"}}"#)
            let key = CheckpointKey.sample(Identifier("c\(number + 10_000)"))
            try await store.put(.sample(key, document: document), blobs: [.sample("a", version, value)])
        }
    }

    private static func version(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }

    fileprivate func read(_ number: Int, from store: SQLiteStore) async throws -> [UInt8]? {
        let id = Identifier("c\(number + 10_000)")
        return try await store.tuple(in: thread, namespace: "", id: id)?.blobs.first?.bytes
    }

    /// A list of 3,000 letters that grows by one message of 1,000 a turn, with a count at its head as msgpack has it.
    fileprivate static func conversation(_ turns: Int, _ random: inout SeededGenerator) -> [[UInt8]] {
        let words = ["state", "graph", "agent", "write", "tools"]
        var text = Array(String(repeating: "graph", count: 400).utf8)
        return (0..<turns).map { _ in
            for _ in 0..<200 {
                text += Array(words[Int.random(in: 0..<words.count, using: &random)].utf8)
            }
            return text
        }
    }

    fileprivate static func random(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    /// Bytes of the closed file.
    private func size(of path: String) throws -> Int {
        try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
    }

    @Test("a put that looks for a place does not wait for reads, however many and long they are")
    func besideReads() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.besideReads"))
        let values = Self.conversation(2, &random)
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await put([values[0]], into: store)
        // Answers are given on the threads that read: nobody reads on until they are let go.
        let reads = 64
        let letGo = DispatchSemaphore(value: 0)
        let waited = Mutex(false)
        for _ in 0..<reads {
            store.tuple(in: thread, namespace: "", id: nil, parts: .tuple) { _ in letGo.wait() }
        }
        DispatchQueue.global().asyncAfter(deadline: .now() + 20) {
            waited.withLock { $0 = true }
            for _ in 0..<reads { letGo.signal() }
        }
        try await put([values[1]], into: store, from: 1)
        #expect(!waited.withLock { $0 })
        for _ in 0..<reads { letGo.signal() }
        #expect(try await read(1, from: store) == values[1])
        await store.close()
    }

    @Test("a list that grows takes what it grows by, and every version reads back")
    func growing() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.growing"))
        let values = Self.conversation(200, &random)
        let raw = values.reduce(0) { $0 + $1.count }
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await put(values, into: store)
        for number in values.indices.shuffled() {
            #expect(try await read(number, from: store) == values[number])
        }
        #expect(try await store.verify() == [])
        await store.close()
        let stored = try size(of: directory.file("a.db"))
        #expect(stored * 20 < raw, "\(raw) bytes of versions took \(stored)")
    }

    @Test("a list edited in the middle, one that shrinks, and random bytes read back")
    func other() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.other"))
        var text = Self.conversation(50, &random)[49]
        var values: [[UInt8]?] = []
        for _ in 0..<80 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0: values.append(nil)
            case 1: values.append([])
            case 2: values.append(Self.random(30, &random))
            case 3: values.append(Self.random(20_000, &random))
            case 4: text.removeLast(min(text.count, 5_000))
            case 5: text += Self.random(300, &random)
            default:
                let place = Int.random(in: 0...text.count, using: &random)
                text.insert(contentsOf: Self.random(40, &random), at: place)
            }
            values.append(text)
        }
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await put(values, into: store)
        for number in values.indices.shuffled() {
            #expect(try await read(number, from: store) == values[number], "version \(number)")
        }
        #expect(try await store.verify() == [])
        await store.close()
    }

    @Test("random bytes take no more than themselves")
    func incompressible() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.incompressible"))
        let values = (0..<30).map { _ in Self.random(50_000, &random) }
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        try await put(values, into: store)
        for number in values.indices { #expect(try await read(number, from: store) == values[number]) }
        await store.close()
        let stored = try size(of: directory.file("a.db"))
        #expect(stored < 30 * 50_000 * 11 / 10, "1,500,000 random bytes took \(stored)")
    }

    @Test("versions that come in any order, and again with other bytes, keep their first bytes")
    func anyOrder() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.anyOrder"))
        let values = Self.conversation(70, &random)
        let directory = try TemporaryDirectory()
        let store = try SQLiteStore(path: directory.file("a.db"))
        for number in values.indices.shuffled(using: &random) {
            try await put([values[number]], into: store, from: number)
            try await put([[1, 2, 3]], into: store, from: number)
        }
        for number in values.indices { #expect(try await read(number, from: store) == values[number]) }
        #expect(try await store.verify() == [])
        await store.close()
    }

    @Test("a damaged version is an error wherever it is needed, named by verify, and harms no other thread")
    func damage() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.damage"))
        let values = Self.conversation(8, &random)
        let directory = try TemporaryDirectory()
        var store = try SQLiteStore(path: directory.file("a.db"))
        try await put(values, into: store)
        try await store.put(
            .sample(.sample(thread: ThreadKey("t2")), document: #"{"channel_versions":{"a":"1"}}"#),
            blobs: [.sample("a", "1", values[0])]
        )
        // Position 4 of the chain: versions 4 to 7 are read through it, 0 to 3 are not.
        try await store.onWriter { db in
            let payload = try Data.fetchOne(db, sql: "SELECT payload FROM blobs WHERE position = 4")
            var bytes = try #require(payload)
            bytes[bytes.count / 2] ^= 0x10
            try db.execute(sql: "UPDATE blobs SET payload = ? WHERE position = 4", arguments: [bytes])
        }
        // What is in memory is not read again.
        await store.close()
        store = try SQLiteStore(path: directory.file("a.db"))
        for number in 0..<4 { #expect(try await read(number, from: store) == values[number]) }
        for number in 4..<8 {
            let error = await #expect(throws: StoreError.self) { try await read(number, from: store) }
            #expect(error?.kind == .corrupt)
        }
        let other = try await store.tuple(in: ThreadKey("t2"), namespace: "", id: nil)
        #expect(other?.blobs.first?.bytes == values[0])
        let damage = try await store.verify()
        #expect(damage.count == 4 && damage.allSatisfy { $0.kind == .blob && $0.thread == thread && $0.channel == "a" })
        #expect(damage.map(\.version) == (4..<8).map { Identifier(Self.version($0)) })
        // What is put next does not build on it.
        let next = values[7] + Self.random(100, &random)
        try await put([next], into: store, from: 8)
        #expect(try await read(8, from: store) == next)
        await store.close()
    }

    @Test("a file of the layout before chains is read and continued")
    func olderLayout() async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.olderLayout"))
        let values = Self.conversation(6, &random)
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let old = try DatabaseQueue(path: path)
        try SQLiteSchema.migrator.migrate(old, upTo: "1 threads, checkpoints, blobs, writes")
        try await old.write { db in
            try db.execute(sql: "INSERT INTO threads (tenant, thread_id, thread) VALUES ('', 't1', 1)")
            for number in 0..<3 {
                let version = Self.version(number)
                try db.execute(
                    sql: """
                        INSERT INTO blobs (thread, checkpoint_ns, channel, version, type, encoding, payload)
                        VALUES (1, '', 'a', ?, 'msgpack', 0, ?)
                        """,
                    arguments: [version, Data(values[number])]
                )
                let document = #"{"channel_versions":{"a":"\#(version)"}}"#
                try db.execute(
                    sql: """
                        INSERT INTO checkpoints (thread, checkpoint_ns, checkpoint_id, metadata, document)
                        VALUES (1, '', ?, ?, ?)
                        """,
                    arguments: ["c\(number + 10_000)", Data("{}".utf8), Data(document.utf8)]
                )
            }
        }
        try old.close()
        let store = try SQLiteStore(path: path)
        try await put(Array(values[3...]), into: store, from: 3)
        for number in values.indices { #expect(try await read(number, from: store) == values[number]) }
        #expect(try await store.verify() == [])
        await store.close()
    }
}

extension BlobChainTests {
    @Test(
        "a chain whose links are damaged is not built on, and takes nothing of another thread",
        arguments: [
            "UPDATE blobs SET position = -1", "UPDATE blobs SET position = 9223372036854775807",
            "UPDATE blobs SET base = blob", "UPDATE blobs SET base = blob + 1", "UPDATE blobs SET base = 99",
            "UPDATE blobs SET base = (SELECT max(blob) FROM blobs) WHERE thread = 1", "UPDATE blobs SET payload = NULL",
        ]
    )
    func damagedLinks(_ damage: String) async throws {
        var random = SeededGenerator(seed: testSeed("BlobChain.damagedLinks"))
        let values = Self.conversation(12, &random)
        let directory = try TemporaryDirectory()
        var store = try SQLiteStore(path: directory.file("a.db"))
        try await put(Array(values[..<4]), into: store)
        try await store.put(
            .sample(.sample(thread: ThreadKey("t2")), document: #"{"channel_versions":{"a":"1"}}"#),
            blobs: [.sample("a", "1", Self.random(5_000, &random))]
        )
        try await store.onWriter { try $0.execute(sql: damage) }
        await store.close()
        store = try SQLiteStore(path: directory.file("a.db"))
        try await put(Array(values[4...]), into: store, from: 4)
        await store.close()
        // Without what is in memory.
        store = try SQLiteStore(path: directory.file("a.db"))
        for number in 4..<12 {
            #expect(try await read(number, from: store) == values[number], "version \(number) after \(damage)")
        }
        await store.close()
    }
}
