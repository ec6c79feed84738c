import Checkpoints
import SQLiteStorage
import TestSupport
import Testing

/// What values, writes and keys look like on disk, and that they are read back as they were.
@Suite("Stored bytes", .timeLimit(.minutes(5)))
struct StoredBytesTests {
    private static let name = RowName.Channel(ThreadKey("t"), "", "messages").version("1", type: "msgpack")

    private static func text(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        let words = ["the ", "graph ", "agent ", "said ", "that ", "a ", "checkpoint ", "holds "]
        var text: [UInt8] = []
        while text.count < count { text += Array((words.randomElement(using: &random) ?? "").utf8) }
        return Array(text.prefix(count))
    }

    private static func noise(_ count: Int, _ random: inout SeededGenerator) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    @Test("values of any length are read back, short and random ones kept as they came")
    func alone() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.alone"))
        for count in [0, 1, 3, 4, 5, 63, 64, 65, 200, 1_000, 20_000, 300_000] {
            let text = Self.text(count, &random)
            let stored = StoredBytes.alone(text, named: Self.name)
            #expect(try stored.bytes(named: Self.name) == text, "\(count) bytes of text")
            #expect(stored.encoding == (count < 64 ? .kept : .frame))
            let noise = Self.noise(count, &random)
            let kept = StoredBytes.alone(noise, named: Self.name)
            #expect(try kept.bytes(named: Self.name) == noise, "\(count) bytes of noise")
            #expect(kept.encoding == .kept && kept.payload?.count == count + 4)
        }
        #expect(try StoredBytes.alone(nil, named: Self.name).bytes(named: Self.name) == nil)
    }

    @Test("a value that changes in one place is kept as that place")
    func splice() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.splice"))
        let base = [0xDC, 0x00, 0x0F] + Self.text(100_000, &random)
        let news = Self.text(500, &random)
        let values: [String: [UInt8]] = [
            "appended": base + news,
            "appended, with another head": [0xDC, 0x00, 0x10] + base[3...] + news,
            "appended, with a longer head": [0xDD, 0, 1, 0, 0] + base[3...] + news,
            "appended, with a shorter head": [0x9F] + base[3...] + news,
            "inserted": base[..<40_000] + news + base[40_000...],
            "replaced": base[..<40_000] + news + base[41_000...],
            "removed": Array(base[..<40_000]) + base[41_000...],
            "cut": Array(base[..<50_000]),
            "the same": base,
        ]
        for (name, value) in values {
            let stored = try #require(StoredBytes.splice(value, from: base, named: Self.name), "\(name)")
            #expect(try stored.bytes(base: base, named: Self.name) == value, "\(name)")
            #expect((stored.payload?.count ?? 0) < 500, "\(name) takes \(stored.payload?.count ?? 0) bytes")
        }
    }

    @Test("any two values make a splice that reads back, or none")
    func anySplice() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.anySplice"))
        for _ in 0..<400 {
            let base = Self.text(Int.random(in: 0..<6_000, using: &random), &random)
            var value = base
            for _ in 0..<Int.random(in: 0..<6, using: &random) where !value.isEmpty {
                let place = Int.random(in: 0..<value.count, using: &random)
                let count = Int.random(in: 0..<100, using: &random)
                if Bool.random(using: &random) {
                    value.removeSubrange(place..<min(value.count, place + count))
                } else {
                    value.insert(contentsOf: Self.noise(count, &random), at: place)
                }
            }
            guard let stored = StoredBytes.splice(value, from: base, named: Self.name) else { continue }
            #expect(try stored.bytes(base: base, named: Self.name) == value)
            #expect((stored.payload?.count ?? 0) <= value.count / 2)
        }
    }

    @Test("how long a value is stands at the beginning of its payload")
    func count() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.count"))
        func expect(_ stored: StoredBytes, _ value: [UInt8], _ what: String) {
            let payload = stored.payload ?? []
            let start = StoredBytes(
                code: stored.code, payload: Array(payload.prefix(StoredBytes.longestStart)))
            #expect(start?.valueCount(payloadCount: payload.count) == value.count, "\(what) of \(value.count) bytes")
        }
        for count in [0, 1, 4, 63, 64, 65, 255, 256, 257, 1_000, 65_791, 65_792, 300_000] {
            let value = Self.text(count, &random)
            expect(.alone(value, named: Self.name), value, "text")
            let noise = Self.noise(count, &random)
            expect(.alone(noise, named: Self.name), noise, "noise")
            for news in [0, 3, 300, 70_000] {
                let longer = [0xDD, 0, 1] + value + Self.text(news, &random)
                if let splice = StoredBytes.splice(longer, from: value, named: Self.name) {
                    expect(splice, longer, "a splice")
                }
            }
        }
        #expect(StoredBytes.alone(nil, named: Self.name).valueCount(payloadCount: 4) == 0)
        #expect(StoredBytes.alone(nil, named: nil).valueCount(payloadCount: 0) == 0)
        for encoding in [1, 2, 3, 4, 5, 11, 12, 13, 14] as [Int64] {
            for count in 0..<4 {
                let start = StoredBytes(code: encoding, payload: [UInt8](repeating: 0, count: count))
                #expect(start?.valueCount(payloadCount: count) == nil)
            }
            for _ in 0..<200 {
                let noise = Self.noise(Int.random(in: 0..<80, using: &random), &random)
                // Must not trap, whatever numbers it reads.
                _ = StoredBytes(code: encoding, payload: noise)?.valueCount(payloadCount: noise.count)
            }
        }
    }

    @Test("damage in any place, and another base, never gives other bytes")
    func damage() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.damage"))
        let base = Self.text(5_000, &random)
        let value = base + Self.text(300, &random)
        let noise = Self.noise(100, &random)
        let stored = [
            StoredBytes.alone(noise, named: Self.name), .alone(value, named: Self.name),
            try #require(StoredBytes.splice(value, from: base, named: Self.name)),
        ]
        for one in stored {
            let payload = try #require(one.payload)
            var damaged = payload.indices.map { place in
                var damaged = payload
                damaged[place] ^= UInt8.random(in: 1...255, using: &random)
                return damaged
            }
            damaged += payload.indices.map { Array(payload[..<$0]) }
            var errors = 0
            for bytes in damaged {
                let read = StoredBytes(code: one.code, payload: bytes)
                do throws(StoreError) {
                    // A frame has bits that say nothing about its content.
                    #expect(try read?.bytes(base: base, named: Self.name) == (one.encoding == .kept ? noise : value))
                } catch {
                    #expect(error.kind == .corrupt)
                    errors += 1
                }
            }
            #expect(errors > damaged.count * 9 / 10)
        }
        var other = base
        other[2_500] ^= 1
        for wrong in [other, [], Array(base.dropLast())] {
            #expect(throws: StoreError.self) { try stored[2].bytes(base: wrong, named: Self.name) }
        }
        #expect(StoredBytes(code: 99, payload: nil) == nil)
    }

    @Test("under another name nothing is read, until it is renamed")
    func names() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.names"))
        let base = Self.text(5_000, &random)
        let other = RowName.Channel(ThreadKey("t"), "", "messages").version("2", type: "msgpack")
        for value in [nil, [], Self.noise(100, &random), base + Self.text(300, &random)] as [[UInt8]?] {
            func each(_ name: RowName?) -> [StoredBytes] {
                [.alone(value, named: name), value.flatMap { .splice($0, from: base, named: name) }].compactMap(\.self)
            }
            for stored in each(Self.name) {
                #expect(throws: StoreError.self) { try stored.bytes(base: base, named: other) }
                let renamed = stored.renamed(by: Self.name ^ other)
                #expect(try renamed.bytes(base: base, named: other) == value)
                #expect(throws: StoreError.self) { try renamed.bytes(base: base, named: Self.name) }
                #expect(renamed.code == stored.code && renamed.payload?.count == stored.payload?.count)
            }
            // What layout 4 had.
            for stored in each(nil) {
                #expect(try stored.bytes(base: base, named: other) == value)
                #expect(stored.renamed(by: Self.name ^ other).payload == stored.payload)
            }
        }
    }

    @Test("read in another encoding it is nothing: no value is null, and null is no value")
    func encodings() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.encodings"))
        let base = Self.text(5_000, &random)
        let values: [[UInt8]?] = [nil, [], [0xC0], Array("null".utf8), Self.noise(100, &random), base + [0]]
        for value in values {
            let splice = value.flatMap { StoredBytes.splice($0, from: base, named: Self.name) }
            for stored in [StoredBytes.alone(value, named: Self.name)] + [splice].compactMap(\.self) {
                for code in 0..<64 as Range<Int64> where code != stored.code {
                    guard let other = StoredBytes(code: code, payload: stored.payload) else { continue }
                    #expect(throws: StoreError.self, "\(stored.code) read as \(code)") {
                        try other.bytes(base: base, named: Self.name)
                    }
                }
            }
        }
    }

    @Test("each part of a row's name counts, and where it ends")
    func parts() {
        let threads = [ThreadKey("ab"), ThreadKey("a"), ThreadKey("b", tenant: Tenant(name: "a"))]
        let ids: [Identifier] = ["", "a", "b", "ab", "aa"]
        var names: [RowName] = []
        for thread in threads {
            for namespace in ids {
                for id in ids {
                    let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
                    names.append(.checkpoint(key, parent: nil))
                    names += ids.map { .checkpoint(key, parent: $0) }
                    names += ids.map { .writes(of: $0, after: key) }
                    let channel = RowName.Channel(thread, namespace, id)
                    for version in ids { names += ids.map { channel.version(version, type: $0.text) } }
                }
            }
        }
        // Of three thousand no two are the same, which happens by chance once in a thousand times that the hash is changed.
        #expect(Set(names).count == names.count)
    }

    @Test("a task's writes are read back, and end nowhere but at their end")
    func writes() throws {
        var random = SeededGenerator(seed: testSeed("StoredBytes.writes"))
        let writes = [Int32.min, -3, -1, 0, 1, 300, Int32.max].map { index in
            PendingWrite(
                taskID: "task",
                index: index,
                channel: Identifier(String(repeating: "é", count: Int.random(in: 0..<200, using: &random))),
                type: [nil, "", "msgpack"].randomElement(using: &random) ?? nil,
                bytes: Self.noise(Int.random(in: 0..<300, using: &random), &random),
                taskPath: Identifier(index < 0 ? "" : "~__pregel_pull, agent")
            )
        }
        let encoded = StoredWrites.encoded(writes)
        #expect(try StoredWrites.decoded(encoded, task: "task") == writes)
        let whole = Set(writes.indices.map { StoredWrites.encoded(Array(writes[..<$0])).count } + [encoded.count])
        for count in 0..<encoded.count where !whole.contains(count) {
            #expect(throws: StoreError.self) { try StoredWrites.decoded(Array(encoded[..<count]), task: "task") }
        }
    }

    @Test(
        "an identifier is packed only when its text comes back",
        arguments: [
            "1f0a2b3c-4d5e-6f70-8123-456789abcdef", "00000000-0000-0000-0000-000000000000",
            "1F0A2B3C-4D5E-6F70-8123-456789ABCDEF", "1f0a2b3c-4d5e-6f70-8123-456789abcdeg",
            "1f0a2b3c4d5e6f708123456789abcdef", "1f0a2b3c-4d5e-6f70-8123-456789abcde",
            "1f0a2b3c-4d5e-6f70-8123-456789abcdef0", "1f0a2b3c-4d5e-6f708-123-456789abcdef", "", "thread",
        ]
    )
    func uuid(_ text: String) {
        var text = text
        let packed = text.withUTF8 { PackedKey.uuid($0) }
        let isCanonical = ["1f0a2b3c-4d5e-6f70-8123-456789abcdef", "00000000-0000-0000-0000-000000000000"].contains(
            text)
        #expect((packed != nil) == isCanonical)
        guard let packed else { return }
        let unpacked = withUnsafeBytes(of: (packed.0.bigEndian, packed.1.bigEndian)) { PackedKey.text(ofUUID: $0) }
        #expect(unpacked == text)
    }

    @Test("a version is packed only when its text comes back, and later ones sort last")
    func version() {
        let packable = [
            "00000000000000000000000000000001.0.7312345678901234", "00000000000000000000000000000009.0.1",
            "00000000000000000000000000000010.0.5", "00000000000000000000000000000010.0.51", "12345678",
        ]
        for text in packable {
            #expect(PackedKey.version(text).map { PackedKey.text(ofVersion: $0) } == text)
        }
        let sorted = packable.prefix(4).compactMap { PackedKey.version($0) }
        #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
        for text in ["", "1", "1234567", "0000000x", "12345678 ", "１２３４５６７８", String(repeating: "0", count: 256)] {
            #expect(PackedKey.version(text) == nil, "\(text)")
        }
        #expect(PackedKey.version("00000000").map { PackedKey.text(ofVersion: $0) } == "00000000")
    }
}
