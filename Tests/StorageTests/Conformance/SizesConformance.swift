import Checkpoints
import JSON
import TestSupport
import Testing

/// How much each row of a thread is for, and how much it takes.
@Suite("Sizes", .timeLimit(.minutes(5)))
struct SizesConformance {
    private static let thread = ThreadKey("t1", tenant: Tenant(name: "x"))

    /// A conversation that grows, in two namespaces; what it should measure, with only `logical` right.
    private static func fill(_ store: any Backend.Store) async throws -> ThreadSizes {
        var expected = ThreadSizes()
        var text: [UInt8] = []
        func note(_ blob: ChannelBlob, _ namespace: Identifier) {
            let version = ChannelVersion(channel: blob.channel, version: blob.version)
            expected.blobs[.init(namespace: namespace, version: version)] = .init(logical: blob.bytes?.count ?? 0)
        }
        for number in 101...140 {
            let namespace: Identifier = number > 130 ? "s" : ""
            let version = Identifier("0000000000000\(number).5")
            for word in 0..<40 { text += Array("message \(number * word * 7) of the thread; ".utf8) }
            let blobs = [
                ChannelBlob.sample("a", version, [UInt8(number)] + text), .sample("none", version, type: "empty", nil),
                .sample("nothing", version, []), .sample("short", version, Array("short \(number)".utf8)),
            ]
            let document =
                #"{"channel_versions":{"a":"\#(version)"},"pad":"\#(String(repeating: "x", count: number))"}"#
            let metadata = #"{"step": \#(number)}"#
            let key = CheckpointKey.sample(Identifier("c\(number)"), thread: thread, namespace: namespace)
            let checkpoint = Checkpoint.sample(
                key, document: JSONText(trusted: Array(document.utf8)),
                metadata: JSONText(trusted: Array(metadata.utf8)))
            try await store.put(checkpoint, blobs: blobs)
            for blob in blobs { note(blob, namespace) }
            let place = CheckpointPlace(namespace: namespace, id: key.id)
            expected.checkpoints[place] = .init(logical: document.utf8.count + metadata.utf8.count)
            let writes = [
                PendingWrite.sample("t", -1, []), .sample("t", 2, Array(text.prefix(3_000)), path: "p"), .sample("u"),
            ]
            try await store.putWrites(writes, for: key, onConflict: .keepFirst)
            let count = writes.reduce(0) { $0 + $1.bytes.count }
            expected.writes[place] = .init(count: 3, size: .init(logical: count))
        }
        try await store.putWrites(
            [.sample("t", 0, [1, 2])], for: .sample("later", thread: thread), onConflict: .keepFirst)
        expected.writes[CheckpointPlace(namespace: "", id: "later")] = .init(count: 1, size: .init(logical: 2))
        return expected
    }

    @Test(
        "every row is measured as it was put, and all of them come to what a summary says", arguments: Backend.allCases)
    func sums(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let expected = try await Self.fill(store)
            let found = try #require(try await store.sizes(of: Self.thread))
            #expect(found.checkpoints.mapValues(\.logical) == expected.checkpoints.mapValues(\.logical))
            #expect(found.blobs.mapValues(\.logical) == expected.blobs.mapValues(\.logical))
            #expect(found.writes.mapValues(\.size.logical) == expected.writes.mapValues(\.size.logical))
            #expect(found.writes.mapValues(\.count) == expected.writes.mapValues(\.count))
            let counts = try #require(try await store.summary(of: Self.thread)).counts
            #expect(found.checkpoints.count == counts.checkpoints && found.blobs.count == counts.blobs)
            #expect(found.writes.values.reduce(0) { $0 + $1.count } == counts.writes)
            #expect(found.stored == counts.bytes)
        }
    }

    @Test("what is compressed, or kept as a difference, takes less than it is for", arguments: Backend.durable)
    func compressed(_ backend: Backend) async throws {
        try await backend.withStore { store in
            _ = try await Self.fill(store)
            let found = try #require(try await store.sizes(of: Self.thread))
            // PostgreSQL compresses no row of less than 2 KB.
            let grown = found.blobs.filter { $0.key.version.channel == "a" && $0.value.logical > 4_096 }.values
            #expect(grown.count > 30)
            #expect(grown.allSatisfy { $0.stored < $0.logical })
            let sum = grown.reduce(into: ThreadSizes.Size()) { $0 += $1 }
            // Of forty versions each has all that the one before had.
            if backend == .sqlite { #expect(sum.stored * 20 < sum.logical) }
        }
    }

    @Test("a thread has the sizes of its own rows, and none once it is deleted", arguments: Backend.allCases)
    func others(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let tenants = [Tenant.default, Tenant(name: "a"), Tenant(name: "b")]
            for (number, tenant) in tenants.enumerated() {
                let key = CheckpointKey.sample(thread: ThreadKey("t1", tenant: tenant))
                try await store.put(
                    .sample(key), blobs: [.sample("a", "1", [UInt8](repeating: 1, count: number + 1))])
                #expect(try await store.sizes(of: ThreadKey("t2", tenant: tenant)) == nil)
            }
            for (number, tenant) in tenants.enumerated() {
                let found = try await store.sizes(of: ThreadKey("t1", tenant: tenant))
                #expect(found?.blobs.values.map(\.logical) == [number + 1])
            }
            try await store.deleteThread(ThreadKey("t1", tenant: tenants[1]))
            #expect(try await store.sizes(of: ThreadKey("t1", tenant: tenants[1])) == nil)
            #expect(try await store.sizes(of: ThreadKey("t1", tenant: tenants[2])) != nil)
        }
    }

    @Test("writes without a checkpoint are measured", arguments: Backend.allCases)
    func onlyWrites(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await store.putWrites(
                [.sample("t", 0, [1, 2, 3]), .sample("t", 1, [])], for: .sample(), onConflict: .keepFirst)
            let found = try #require(try await store.sizes(of: ThreadKey("t1")))
            #expect(found.checkpoints.isEmpty && found.blobs.isEmpty)
            let writes = try #require(found.writes[CheckpointPlace(namespace: "", id: "c1")])
            #expect(writes.count == 2 && writes.size.logical == 3 && writes.size.stored > 0)
        }
    }
}

extension ThreadSizes {
    fileprivate var stored: Int {
        let sizes = checkpoints.values.map(\.stored) + blobs.values.map(\.stored) + writes.values.map(\.size.stored)
        return sizes.reduce(0, +)
    }
}
