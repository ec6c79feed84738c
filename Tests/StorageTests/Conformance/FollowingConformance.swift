import Checkpoints
import JSON
import Synchronization
import TestSupport
import Testing

/// What every store tells who follows a thread.
@Suite("Following a thread", .timeLimit(.minutes(5)))
struct FollowingConformance {
    /// Keeps what is told.
    final class Told: Sendable {
        private let changes = Mutex<[ThreadChange]>([])

        var all: [ThreadChange] { changes.withLock { $0 } }
        /// The writes of one change by their indexes: a store may tell what it found in its table.
        var effects: [ThreadChange.Effect] {
            all.map { change in
                guard case .writes(let place, let written) = change.effect else { return change.effect }
                return .writes(place, written.sorted { $0.index < $1.index })
            }
        }
        var receive: @Sendable (ThreadChange) -> Void { { change in self.changes.withLock { $0.append(change) } } }
    }

    private static let thread = ThreadKey("t1")

    @Test(
        "each change is told once, in the order of the commits, before or as it is answered",
        arguments: Backend.allCases)
    func changes(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let told = Told()
            let follower = try await store.follow(Self.thread, told.receive)
            let step: JSONText = #"{"source":"loop","step":3}"#
            try await store.put(.sample(.sample("c1"), metadata: step), blobs: [.sample("a")])
            try await store.putWrites(
                [.sample("t", 0, channel: "a"), .sample("t", -3, channel: "__interrupt__")],
                for: .sample("c1"), onConflict: .keepFirst)
            _ = try await store.put(.sample(.sample("c2"), parent: "c1"), blobs: [], expecting: .head("c1"))
            _ = try await store.put(.sample(.sample("c3"), parent: "c1"), blobs: [], expecting: .head("c1"))
            try await store.put(.sample(.sample("x", thread: ThreadKey("t2"))), blobs: [])
            try await store.put(
                .sample(.sample("x", thread: ThreadKey("t1", tenant: Tenant(name: "other")))), blobs: [])
            _ = try await store.prune(Self.thread, .keepLatest(1), isDryRun: true)
            _ = try await store.prune(Self.thread, .delete, isDryRun: false)
            try await store.deleteThread(Self.thread)
            let root = { CheckpointPlace(namespace: "", id: $0) }
            #expect(
                told.effects == [
                    .checkpoint(CheckpointStep(place: root("c1"), parentID: nil, source: "loop", step: 3)),
                    .writes(
                        root("c1"),
                        [
                            WrittenChannel(taskID: "t", index: -3, channel: "__interrupt__"),
                            WrittenChannel(taskID: "t", index: 0, channel: "a"),
                        ]
                    ),
                    .checkpoint(CheckpointStep(place: root("c2"), parentID: "c1", source: nil, step: nil)),
                    .deleted, .deleted,
                ]
            )
            #expect(told.all.allSatisfy { $0.thread == Self.thread })
            follower.end()
            try await store.put(.sample(.sample("c9")), blobs: [])
            #expect(told.all.count == 5, "nothing is told after the end")
        }
    }

    @Test("a copy, rows that are added and checkpoints that go are told as such", arguments: Backend.allCases)
    func others(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let (target, source) = (ThreadKey("target"), ThreadKey("t1"))
            for id: Identifier in ["c1", "c2", "c3"] {
                let parent: Identifier? = id == "c1" ? nil : Identifier("c\((Int(id.text.suffix(1)) ?? 0) - 1)")
                try await store.put(.sample(.sample(id), parent: parent, metadata: #"{"run_id":"r"}"#), blobs: [])
            }
            let (told, copied) = (Told(), Told())
            let followers = [
                try await store.follow(source, told.receive), try await store.follow(target, copied.receive),
            ]
            _ = try await store.prune(source, .keepLatest(1), isDryRun: false)
            #expect(told.effects == [.pruned])
            #expect(try await store.copyThread(source, to: "target") == .done)
            #expect(try await store.copyThread(source, to: "target") == .done)
            // PostgreSQL looks by itself now and then what the rows of a thread are now, and says so.
            let replaced = { copied.effects.filter { $0 != .missed } }
            #expect(replaced() == [.replaced])
            try await store.add([.checkpoint(.sample(.sample("c4", thread: target)))], to: target)
            #expect(replaced() == [.replaced, .replaced])
            for follower in followers { follower.end() }
        }
    }

    @Test(
        "what is read after following began, and what is told, has everything that is put meanwhile",
        arguments: Backend.allCases)
    func noGap(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let ids = (0..<120).map { Identifier("c\(1_000 + $0)") }
            let all = CheckpointQuery(thread: Self.thread, limit: 1_000)
            let isFollowed = Shared(false)
            let followers = try await withThrowingTaskGroup(of: Void.self) { group in
                for part in 0..<4 {
                    group.addTask {
                        for (number, id) in ids.enumerated() where number % 4 == part {
                            if number >= 60 { try await eventually { isFollowed.value.withLock { $0 } } }
                            try await store.put(.sample(.sample(id)), blobs: [])
                        }
                    }
                }
                var followers: [(told: Told, read: [Identifier], follower: ThreadFollower)] = []
                for _ in 0..<8 {
                    let told = Told()
                    let follower = try await store.follow(Self.thread, told.receive)
                    followers.append((told, try await store.checkpoints(all).map(\.key.id), follower))
                    isFollowed.value.withLock { $0 = true }
                }
                try await group.waitForAll()
                return followers
            }
            #expect(followers.contains { $0.read.count < ids.count }, "some began in the middle")
            for (told, read, follower) in followers {
                let found = told.effects.compactMap(\.checkpointID)
                #expect(Set(read).union(found) == Set(ids))
                #expect(Set(found).count == found.count, "none is told twice")
                follower.end()
            }
        }
    }

    @Test("who follows again is told nothing of what came between", arguments: Backend.allCases)
    func again(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let told = Told()
            let first = try await store.follow(Self.thread) { _ in }
            try await store.put(.sample(.sample("c1")), blobs: [])
            first.end()
            try await store.put(.sample(.sample("c2")), blobs: [])
            try await store.putWrites([.sample("t", 0, channel: "a")], for: .sample("c1"), onConflict: .keepFirst)
            let second = try await store.follow(Self.thread, told.receive)
            // PostgreSQL looks every five seconds.
            if backend.isPostgres { try await Task.sleep(for: .seconds(6)) }
            try await store.put(.sample(.sample("c3")), blobs: [])
            #expect(told.effects.map(\.checkpointID) == ["c3"])
            second.end()
        }
    }

    @Test("a follower that is let go of is told nothing any more", arguments: [Backend.memory, .sqlite])
    func letGo(_ backend: Backend) async throws {
        try await backend.withStore { store in
            let told = Told()
            do {
                let follower = try await store.follow(Self.thread, told.receive)
                try await store.put(.sample(), blobs: [])
                withExtendedLifetime(follower) {}
            }
            try await store.put(.sample(.sample("c2")), blobs: [])
            #expect(told.all.count == 1)
        }
    }
}

extension ThreadChange.Effect {
    var checkpointID: Identifier? {
        if case .checkpoint(let step) = self { step.place.id } else { nil }
    }
}
