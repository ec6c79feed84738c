import Checkpoints
import JSON
import SQLiteStorage
import TestSupport
import Testing

/// Clients that put to one thread while others delete it: a place in a chain that was chosen before a deletion is not
/// used after it.
@Suite("Racing with a deletion", .timeLimit(.minutes(5)))
struct RacingThreadTests {
    private static let thread = ThreadKey("t1")

    /// Every client's value is its own, and long enough for a chain.
    private static func value(_ client: Int, _ round: Int) -> [UInt8] {
        Array(String(repeating: "client \(client) says the same again and again; ", count: 60).utf8)
            + Array("in round \(round)".utf8)
    }

    @Test("what is put while the thread is deleted and made again is read back, or gone, and never unreadable")
    func deletions() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("a.db")
        let store = try SQLiteStore(path: path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<6 {
                group.addTask {
                    for round in 0..<150 {
                        try await Self.put(client, round, store)
                    }
                }
            }
            group.addTask {
                for _ in 0..<300 { try await store.deleteThread(Self.thread) }
            }
            try await group.waitForAll()
        }
        for client in 0..<6 { try await Self.put(client, 999, store) }
        #expect(try await store.verify() == [])
        await store.close()
        // Without what is in memory.
        let again = try SQLiteStore(path: path)
        for client in 0..<6 {
            let id = Identifier("c\(client)-999")
            let found = try await again.tuple(in: Self.thread, namespace: "", id: id)
            #expect(found?.blobs.first?.bytes == Self.value(client, 999))
        }
        await again.close()
    }

    /// A long value now and then, a short one in between: it needs no reader, and overtakes.
    private static func put(_ client: Int, _ round: Int, _ store: SQLiteStore) async throws {
        let version = Identifier("\(client)-\(round)")
        let document = JSONText(stringLiteral: #"{"channel_versions":{"a":"\#(version)"}}"#)
        let isLong = round % 3 != 1
        let value = isLong ? value(client, round) : Array("short \(client) \(round)".utf8)
        let key = CheckpointKey.sample(Identifier("c\(client)-\(round)"), thread: thread)
        try await store.put(.sample(key, document: document), blobs: [.sample("a", version, value)])
        let found = try await store.tuple(in: thread, namespace: "", id: key.id)
        if let found { #expect(found.blobs.first?.bytes == value) }
    }
}
