import Checkpoints
import Encryption
import JSON
import TestSupport
import Testing

/// What an `EncryptedStore` leaves in the store below, and takes from it.
@Suite("Sealed values", .timeLimit(.minutes(5)))
struct SealedValuesTests {
    private let thread = ThreadKey("t1")
    private let document: JSONText = #"{"v":4,"ts":"now","channel_versions":{"a":"1"},"channel_values":{"n":"hidden"}}"#

    /// A store with one checkpoint, one blob and one write.
    private func filled(_ keys: EncryptionKeys) async throws -> (base: MemoryStore, store: EncryptedStore<MemoryStore>)
    {
        let base = MemoryStore()
        let store = EncryptedStore(base, keys: keys)
        try await store.put(
            .sample(document: document, metadata: #"{"step":1}"#),
            blobs: [.sample("a", "1", Array("a hidden blob".utf8))])
        try await store.putWrites(
            [.sample("t", 0, Array("a hidden write".utf8))], for: .sample(), onConflict: .keepFirst)
        return (base, store)
    }

    private func tuple(_ store: some CheckpointStore) async throws -> CheckpointTuple? {
        try await store.tuple(in: thread, namespace: "", id: "c1")
    }

    @Test("The store below gets what stores read of documents in clear, and nothing else")
    func skeleton() async throws {
        let (base, store) = try await filled(.sample())
        let stored = try #require(await tuple(base)).checkpoint.document
        let clear = #"{"v":4,"ts":"now","channel_versions":{"a":"1"},"channel_values":{"n":null},"milepost_sealed":""#
        #expect(stored.bytes.starts(with: clear.utf8))
        #expect(try #require(await tuple(store)).checkpoint.document == document)
    }

    @Test("10,000 values have 10,000 nonces, and equal values look different")
    func nonces() async throws {
        let base = MemoryStore()
        let store = EncryptedStore(base, keys: try .sample("k"))
        let writes = (0..<10_000).map { PendingWrite.sample("t", Int32($0), [1]) }
        try await store.putWrites(writes, for: .sample(), onConflict: .keepFirst)
        let header = 8
        let nonces = Mutexed<Set<[UInt8]>>([])
        try await base.rows(of: thread) { row throws(StoreError) in
            guard case .write(_, _, let write) = row else { return }
            nonces.change { _ = $0.insert(Array(write.bytes[header..<header + 12])) }
        }
        #expect(nonces.value.count == 10_000)
    }

    @Test("20,000 damaged envelopes are errors, and never a value")
    func fuzz() async throws {
        var random = SeededGenerator(seed: testSeed("damaged envelopes"))
        let (base, store) = try await filled(.sample())
        let good = try #require(await tuple(base)?.blobs.first?.bytes)
        var refused = 0
        for _ in 0..<20_000 {
            let damaged = Self.damaged(good, &random)
            guard damaged != good else { continue }
            _ = try await base.rewrite(thread, as: thread) { row throws(StoreError) in
                guard case .blob(let namespace, var blob) = row else { return row }
                blob.bytes = damaged
                return .blob(namespace: namespace, blob)
            }
            do {
                _ = try await tuple(store)
                Issue.record("was read: \(damaged)")
            } catch let error as StoreError {
                refused += error.kind == .corrupt || error.kind == .unavailable ? 1 : 0
            }
        }
        #expect(refused > 19_000)
    }

    @Test("5,000 damaged documents are errors, and never a document")
    func fuzzedDocuments() async throws {
        var random = SeededGenerator(seed: testSeed("damaged documents"))
        let (base, store) = try await filled(.sample())
        let good = try #require(await tuple(base)).checkpoint.document
        var refused = 0
        for _ in 0..<5_000 {
            let damaged = JSONText(trusted: Self.damaged(good.bytes, &random))
            guard damaged != good else { continue }
            _ = try await base.rewrite(thread, as: thread) { row throws(StoreError) in
                row.changingCheckpoint { (damaged, $0.metadata) }
            }
            do {
                _ = try await store.tuple(in: thread, namespace: "", id: "c1", parts: [])
                Issue.record("was read: \(String(decoding: damaged.bytes, as: UTF8.self))")
            } catch {
                refused += error.kind == .corrupt || error.kind == .unavailable ? 1 : 0
            }
        }
        #expect(refused > 4_900)
    }

    private static func damaged(_ good: [UInt8], _ random: inout some RandomNumberGenerator) -> [UInt8] {
        var bytes = good
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[Int.random(in: bytes.indices, using: &random)] ^= 1 << Int.random(in: 0..<8, using: &random)
        case 1: bytes.removeLast(Int.random(in: 1...bytes.count, using: &random))
        case 2: bytes.insert(.random(in: 0...255, using: &random), at: Int.random(in: bytes.indices, using: &random))
        case 3: bytes.remove(at: Int.random(in: bytes.indices, using: &random))
        case 4:
            for _ in 0..<8 {
                bytes[Int.random(in: bytes.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
        default:
            bytes =
                Array(good.prefix(6))
                + (0..<Int.random(in: 0..<80, using: &random)).map { _ in .random(in: 0...255, using: &random) }
        }
        return bytes
    }

    @Test("Metadata, what stands in clear of a document, and a type cannot be changed")
    func bound() async throws {
        typealias Change = @Sendable (ThreadRow) -> ThreadRow
        let changes: [(String, Change)] = [
            ("metadata", { $0.changingCheckpoint { ($0.document, #"{"step":2}"#) } }),
            (
                "versions",
                {
                    $0.changingCheckpoint {
                        let text = String(decoding: $0.document.bytes, as: UTF8.self)
                        return (
                            JSONText(trusted: Array(text.replacing(#""a":"1""#, with: #""a":"0""#).utf8)), $0.metadata
                        )
                    }
                }
            ),
            ("type of a blob", { $0.changingBlob { $0.type = "json" } }),
            ("type of a write", { $0.changingWrite { $0.type = nil } }),
            ("channel of a write", { $0.changingWrite { $0.channel = "other" } }),
        ]
        for (what, change) in changes {
            let (base, store) = try await filled(.sample())
            _ = try await base.rewrite(thread, as: thread) { row throws(StoreError) in change(row) }
            let error = await #expect(throws: StoreError.self, "\(what)") { try await tuple(store) }
            #expect(error?.kind == .corrupt, "\(what)")
        }
    }

    @Test("A wrong key of the same id opens nothing, and a missing one is named")
    func keys() async throws {
        let (base, _) = try await filled(.sample("a"))
        let other = try EncryptionKeys(
            parsing: String(decoding: EncryptionKeys.newFile(id: "a").bytes, as: UTF8.self).utf8.map(\.self),
            source: "it")
        let wrong = await #expect(throws: StoreError.self) { try await tuple(EncryptedStore(base, keys: other)) }
        #expect(wrong?.kind == .corrupt)
        let missing = await #expect(throws: StoreError.self) {
            try await tuple(EncryptedStore(base, keys: .sample("b")))
        }
        #expect(missing?.kind == .unavailable)
        #expect(missing?.detail.contains("the key 'a'") == true)
        #expect(try await tuple(EncryptedStore(base, keys: .sample("b", "a")))?.checkpoint.document == document)
    }

    @Test("What is not encrypted is refused, and the sentence says what to run")
    func plaintext() async throws {
        let (base, store) = try await filled(.sample())
        try await base.put(.sample(.sample("c2"), document: document), blobs: [])
        let error = await #expect(throws: StoreError.self) {
            try await store.tuple(in: thread, namespace: "", id: "c2")
        }
        #expect(error?.kind == .corrupt)
        #expect(error?.detail.contains("milepost rekey") == true)
        #expect(try await tuple(store)?.checkpoint.document == document)
        let damage = try await store.verify()
        #expect(damage.map(\.checkpointID) == ["c2"])
    }

    @Test("The same put again is answered as the first time was")
    func repeated() async throws {
        let (_, store) = try await filled(.sample())
        let checkpoint = Checkpoint.sample(document: document, metadata: #"{"step":1}"#)
        #expect(try await store.put(checkpoint, blobs: [], expecting: .head(nil)) == .stored)
        let other = Checkpoint.sample(document: document, metadata: #"{"step":2}"#)
        #expect(try await store.put(other, blobs: [], expecting: .head(nil)) == .refused(head: "c1"))
    }

    @Test("A frame may not say that it is longer than a value may be, nor be another length than it says")
    func bombs() {
        let value = [UInt8](repeating: 7, count: 100_000)
        let packed = Compression.packed(value)
        #expect(packed.count < 1_000)
        #expect(Compression.unpacked(packed) == value)
        // The frame's header: magic, a descriptor, then here four bytes of content size. RFC 8878, 3.1.1.1
        for size: UInt32 in [UInt32(Compression.longest) + 1, .max, 99_999, 100_001, 0] {
            var bomb = packed
            withUnsafeBytes(of: size.littleEndian) { bomb.replaceSubrange(6..<10, with: $0) }
            #expect(Compression.unpacked(bomb) == nil, "\(size)")
        }
        #expect(Compression.unpacked([]) == nil)
        #expect(Compression.unpacked([2, 1, 2, 3]) == nil)
        #expect(Compression.unpacked([0]) == [])
        #expect(Compression.packed([]) == [0])
    }
}
