import Checkpoints
import JSON
import PostgresStorage
import TestSupport
import Testing

/// Two stores over one database: what one commits the other tells.
@Suite("Following over PostgreSQL", .timeLimit(.minutes(5)))
struct PostgresFollowingTests {
    private typealias Told = FollowingConformance.Told
    private static let thread = ThreadKey("t1", tenant: Tenant(name: "ä"))

    private func withTwoStores(
        _ body: (_ here: PostgresStore, _ there: PostgresStore, _ name: String) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory()
        let target = try PostgresServer.schema(named: directory.name)
        await PostgresServer.turns.take()
        await PostgresServer.turns.take()
        let named = "\(target)&application_name=\(directory.name)"
        let stores = try (0..<2).map { _ in try PostgresStore(ConnectionString(named)) }
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(stores[0], stores[1], directory.name))
        } catch {
            result = .failure(error)
        }
        for store in stores { await store.close() }
        await PostgresServer.turns.giveBack()
        await PostgresServer.turns.giveBack()
        try result.get()
    }

    /// Whether it holds within that time.
    private func wait(_ limit: Duration, until condition: () async throws -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + limit
        while ContinuousClock.now < end {
            if try await condition() { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    private func put(_ id: Identifier, _ store: PostgresStore) async throws {
        try await store.put(.sample(.sample(id, thread: Self.thread)), blobs: [])
    }

    @Test("what the other commits is notified: at once, once, and with all that it did")
    func notified() async throws {
        try await withTwoStores { here, there, _ in
            let told = Told()
            let follower = try await here.follow(Self.thread, told.receive)
            try await put("c0", there)
            #expect(try await wait(.seconds(7)) { told.all.count == 1 }, "told, or found by looking")
            let began = ContinuousClock.now
            for number in 1...20 {
                try await put(Identifier("c\(100 + number)"), there)
                #expect(try await wait(.seconds(2)) { told.all.count == number + 1 })
            }
            #expect(ContinuousClock.now - began < .seconds(3), "looking takes five seconds")
            let many = (0..<300).map { PendingWrite.sample("task", Int32($0), channel: Identifier("channel-\($0)")) }
            try await there.putWrites(many, for: .sample("c1", thread: Self.thread), onConflict: .keepFirst)
            #expect(try await wait(.seconds(2)) { told.effects.last == .missed }, "too long to be notified")
            _ = try await there.put(
                .sample(.sample("c2", thread: Self.thread)), blobs: [], expecting: .head("c1"))
            try await there.deleteThread(Self.thread)
            #expect(try await wait(.seconds(2)) { told.effects.last == .deleted })
            follower.end()
        }
    }

    @Test("what is committed while the listening session is lost is found, once, and notifications go on")
    func sessionLost() async throws {
        try await withTwoStores { here, there, name in
            let told = Told()
            let follower = try await here.follow(Self.thread, told.receive)
            try await put("c100", there)
            #expect(try await wait(.seconds(7)) { told.all.count == 1 })
            for round in 1...3 {
                let listening = "query LIKE '%milepost_follow_%' AND application_name = '\(name)'"
                let count = "SELECT pid FROM pg_stat_activity WHERE \(listening)"
                #expect(try await wait(.seconds(5)) { try PostgresServer.execute(count).count == 2 }, "both stores'")
                try PostgresServer.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE \(listening)")
                for number in 0..<5 { try await put(Identifier("c\(100 + round * 10 + number)"), there) }
                // A new session says besides that something may have been missed.
                #expect(
                    try await wait(.seconds(8)) {
                        told.effects.compactMap(\.checkpointID).count == 1 + round * 5
                            && told.effects.count { $0 == .missed } == round
                    })
            }
            let ids = told.effects.compactMap(\.checkpointID)
            #expect(Set(ids).count == ids.count && ids.count == 16)
            follower.end()
        }
    }

    @Test("what a look finds of a checkpoint's metadata is what its own store tells")
    func oddMetadata() async throws {
        let texts = [
            #"{"source":"loop","step":1}"#, #"{"source":"\u0000","step":1e0}"#, #"{"source":"\ud800","step":1.0}"#,
            #"{"source":"\ufffd","step":-0}"#, #"{"source":5,"step":"5"}"#, #"{"source":null,"step":null}"#,
            #"{"source":["loop"],"step":12345678901234567e1}"#, #"{"source":"🐴","step":1e4}"#, "[]", #"{"step":0.1e1}"#,
        ]
        let checkpoints = try texts.enumerated().map { number, text in
            let key = CheckpointKey.sample(Identifier("c\(100 + number)"), thread: Self.thread)
            return try Checkpoint.sample(key, metadata: JSONText(parsing: Array(text.utf8)))
        }
        try await withTwoStores { here, there, name in
            let (told, own) = (Told(), Told())
            let followers = [
                try await here.follow(Self.thread, told.receive), try await there.follow(Self.thread, own.receive),
            ]
            let listening = "query LIKE '%milepost_follow_%' AND application_name = '\(name)'"
            let count = "SELECT pid FROM pg_stat_activity WHERE \(listening)"
            #expect(try await wait(.seconds(5)) { try PostgresServer.execute(count).count == 2 }, "both stores'")
            try PostgresServer.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE \(listening)")
            for checkpoint in checkpoints { try await there.put(checkpoint, blobs: []) }
            let expected = checkpoints.map { ThreadChange.Effect.checkpoint(CheckpointStep($0)) }
            for told in [told, own] {
                #expect(try await wait(.seconds(8)) { told.effects.filter { $0 != .missed } == expected })
                #expect(told.effects.filter { $0 != .missed } == expected)
            }
            for follower in followers { follower.end() }
        }
    }

    @Test("what is notified while a server answers another's greeting is told at once")
    func whileAnnouncing() async throws {
        try await withTwoStores { here, _, name in
            let told = Told()
            let follower = try await here.follow(ThreadKey("t"), told.receive)
            let listening = "query LIKE '%milepost_follow_%' AND application_name = '\(name)'"
            let count = "SELECT pid FROM pg_stat_activity WHERE \(listening)"
            #expect(try await wait(.seconds(5)) { try PostgresServer.execute(count).count == 2 }, "both stores'")
            let target = try PostgresServer.schema(named: name)
            let number = "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('checkpoints'))"
            for round in 1...100 {
                // The first of the two has it announce what it follows, which takes about as long as the second takes to come.
                try PostgresServer.execute(
                    """
                    BEGIN;
                    SELECT pg_notify('milepost_follow_' || \(number), '{"server":"x","hello":true}');
                    COMMIT;
                    SELECT pg_sleep(\(Double(round % 10) / 10_000));
                    BEGIN;
                    SELECT pg_notify('milepost_events_' || \(number), '{"server":"x","thread":"t","effect":"pruned"}');
                    COMMIT
                    """,
                    on: target
                )
                guard try await wait(.seconds(1), until: { told.all.count == round }) else {
                    Issue.record("round \(round): not told within a second")
                    break
                }
            }
            follower.end()
        }
    }

    @Test("nobody is notified of what nobody follows")
    func quiet() async throws {
        try await withTwoStores { here, there, name in
            let follower = try await here.follow(ThreadKey("another"), { _ in })
            try await put("c1", there)
            try await put("c2", here)
            // A session prepares a statement as it is first used; this one stands before the COMMIT that is shown.
            let notified = try PostgresServer.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = '\(name)' AND query LIKE '%milepost_events_%pg_notify%'"
            )
            #expect(notified.isEmpty)
            follower.end()
        }
    }
}
