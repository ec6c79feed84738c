import Checkpoints
import JSON
import TestSupport
import Testing

/// What is set for single threads, and what it protects: the same on every store.
@Suite("Thread settings", .timeLimit(.minutes(5)))
struct SettingsConformance {
    private static let thread = ThreadKey("t1", tenant: Tenant(name: "acme"))
    private static let now = WallTime(milliseconds: 1_800_000_000_000)

    /// Six checkpoints in a row, an hour apart, the last an hour ago.
    private func fill(_ store: any Backend.Store, _ thread: ThreadKey = thread) async throws {
        for number in 1...6 {
            let time = Timestamps.text(Self.now.advanced(by: .seconds(-3_600 * (7 - number))))
            let document = #"{"v":4,"ts":"\#(time)","channel_versions":{"a":"\#(number)"}}"#
            let checkpoint = Checkpoint(
                key: .sample(Identifier("c\(number)"), thread: thread),
                parentID: number == 1 ? nil : Identifier("c\(number - 1)"),
                document: JSONText(trusted: Array(document.utf8)),
                metadata: #"{"source":"loop","run_id":"r"}"#
            )
            try await store.put(checkpoint, blobs: [.sample("a", Identifier("\(number)"))])
        }
    }

    private func ids(_ store: any Backend.Store, _ thread: ThreadKey = thread) async throws -> [Identifier] {
        try await store.checkpoints(CheckpointQuery(thread: thread)).map(\.key.id)
    }

    private func retain(
        _ store: any Backend.Store,
        _ policy: RetentionPolicy,
        _ thread: ThreadKey = thread,
        at now: WallTime = now
    ) async throws -> RetentionReport {
        let expected = try await store.outlook(of: thread, under: policy, at: now)
        let report = try await store.retain(
            thread, under: policy, at: now, SweepPace(size: 2, largest: 2, isResting: false)
        ) { announced throws(StoreError) in #expect(announced == expected) }
        #expect(report.outcome == expected.outcome)
        #expect(report.removed.checkpoints == expected.removed.checkpoints)
        return report
    }

    @Test("deleting all runs of a thread deletes it, with what is set, and says so", arguments: Backend.allCases)
    func allRuns(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await fill(store)
            let pin = CheckpointPlace(namespace: "", id: "c1")
            #expect(try await store.set(ThreadSettings(timeToLive: 60, pins: [pin]), for: Self.thread) == .done)
            let told = FollowingConformance.Told()
            let follower = try await store.follow(Self.thread, told.receive)
            // PostgreSQL looks by itself now and then, and may say that something was missed.
            let effects = { told.effects.filter { $0 != .missed } }
            try await store.deleteRuns(["r"], of: Self.thread.tenant)
            #expect(try await store.settings(of: Self.thread)?.timeToLive == 60)
            #expect(effects() == [.pruned])
            #expect(try await store.set(ThreadSettings(timeToLive: 60), for: Self.thread) == .done)
            try await store.deleteRuns(["r"], of: Self.thread.tenant)
            #expect(effects() == [.pruned, .deleted])
            #expect(try await store.settings(of: Self.thread) == nil)
            try await fill(store)
            #expect(try await store.settings(of: Self.thread) == ThreadSettings.none)
            follower.end()
        }
    }

    @Test("what is set stays while writes wait for their checkpoint, though all others go", arguments: Backend.allCases)
    func waitingWrites(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await fill(store)
            let coming = CheckpointKey.sample("c7", thread: Self.thread)
            try await store.putWrites([.sample("t", 0, channel: "a")], for: coming, onConflict: .keepFirst)
            let settings = ThreadSettings(timeToLive: 60)
            #expect(try await store.set(settings, for: Self.thread) == .done)
            try await store.deleteRuns(["r"], of: Self.thread.tenant)
            #expect(try await ids(store).isEmpty)
            #expect(try await store.settings(of: Self.thread) == settings)
            try await store.deleteThread(Self.thread)
            #expect(try await store.settings(of: Self.thread) == nil)
        }
    }

    @Test("what is set comes back, goes with the thread, and is not copied", arguments: Backend.allCases)
    func comesBack(_ backend: Backend) async throws {
        try await backend.withStore { store in
            #expect(try await store.settings(of: Self.thread) == nil)
            #expect(try await store.set(ThreadSettings(isHeld: true), for: Self.thread) == .noThread)
            try await fill(store)
            #expect(try await store.settings(of: Self.thread) == ThreadSettings.none)
            let missing = CheckpointPlace(namespace: "x", id: "c1")
            #expect(
                try await store.set(ThreadSettings(pins: [missing]), for: Self.thread) == .noCheckpoint(missing))
            let settings = ThreadSettings(
                timeToLive: 60, pins: [.init(namespace: "", id: "c2"), .init(namespace: "", id: "c4")])
            #expect(try await store.set(settings, for: Self.thread) == .done)
            #expect(try await store.settings(of: Self.thread) == settings)
            #expect(try await store.settings(of: ThreadKey("t1")) == nil, "another tenant's")
            #expect(try await store.copyThread(Self.thread, to: "copy") == .done)
            #expect(try await store.settings(of: ThreadKey("copy", tenant: Self.thread.tenant)) == ThreadSettings.none)
            let timed = try await store.overviews(after: nil, limit: 10, areTimed: true)
            #expect(timed.map(\.thread) == [Self.thread] && timed.first?.settings == settings)
            let all = try await store.overviews(after: nil, limit: 10, areTimed: false)
            #expect(Set(all.map(\.thread.id)) == ["t1", "copy"] && all.allSatisfy { $0.checkpoints == ["": 6] })
            #expect(all.allSatisfy { $0.first?.id == "c1" && $0.head?.id == "c6" && $0.head?.time != nil })
            try await store.deleteThread(Self.thread)
            try await fill(store)
            #expect(try await store.settings(of: Self.thread) == ThreadSettings.none)
        }
    }

    @Test("of a held thread nothing goes by any way, and all of it once it is released", arguments: Backend.allCases)
    func hold(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await fill(store)
            #expect(try await store.set(ThreadSettings(timeToLive: 1, isHeld: true), for: Self.thread) == .done)
            let policy = RetentionPolicy(idle: .seconds(1), keepLast: 1)
            #expect(try await retain(store, policy).outcome == .kept)
            for strategy in [PruneStrategy.keepLatest(1), .delete] {
                for isDryRun in [true, false] {
                    let report = try await store.prune(Self.thread, strategy, isDryRun: isDryRun)
                    #expect(report == PruneReport(thread: Self.thread, kept: 6, isHeld: true))
                }
            }
            let delete = await #expect(throws: StoreError.self) { try await store.deleteThread(Self.thread) }
            #expect(delete?.kind == .held)
            let runs = await #expect(throws: StoreError.self) {
                try await store.deleteRuns(["r"], of: Self.thread.tenant)
            }
            #expect(runs?.kind == .held)
            #expect(try await ids(store).count == 6)
            #expect(try await store.set(.none, for: Self.thread) == .done)
            #expect(try await retain(store, policy).outcome == .deleted)
            #expect(try await ids(store).isEmpty)
        }
    }

    @Test("pinned checkpoints stay in every prune, and until the thread is deleted", arguments: Backend.allCases)
    func pins(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await fill(store)
            let pins = ThreadSettings(pins: [.init(namespace: "", id: "c2")])
            #expect(try await store.set(pins, for: Self.thread) == .done)
            #expect(try await retain(store, RetentionPolicy(keepLast: 2)).outcome == .pruned)
            #expect(try await ids(store) == ["c6", "c5", "c2"])
            #expect(try await retain(store, RetentionPolicy(idle: .seconds(1))).outcome == .pruned)
            #expect(try await ids(store) == ["c6", "c2"], "its time is over, and something is pinned")
            try await store.deleteRuns(["r"], of: Self.thread.tenant)
            #expect(try await ids(store) == ["c2"])
            try await fill(store)
            _ = try await store.prune(Self.thread, .delete, isDryRun: false)
            #expect(try await ids(store) == ["c2"])
            #expect(try await store.tuple(in: Self.thread, namespace: "", id: "c2")?.blobs.count == 1)
            try await store.deleteThread(Self.thread)
            #expect(try await store.summary(of: Self.thread) == nil)
        }
    }

    @Test(
        "times are the thread's own before the policy's, and none that is unknown or to come takes anything",
        arguments: Backend.allCases)
    func times(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await fill(store)
            let day = Duration.seconds(86_400)
            #expect(try await retain(store, RetentionPolicy(idle: .seconds(3_601))).outcome == .kept)
            #expect(try await retain(store, RetentionPolicy(age: .seconds(6 * 3_600 + 1))).outcome == .kept)
            #expect(try await store.set(ThreadSettings(timeToLive: 7_200), for: Self.thread) == .done)
            #expect(try await retain(store, RetentionPolicy(idle: .seconds(1), age: .seconds(1))).outcome == .kept)
            let early = Self.now.advanced(by: .zero - day)
            #expect(try await retain(store, RetentionPolicy(idle: .seconds(1)), at: early).outcome == .kept)
            let other = ThreadKey("untimed")
            try await store.put(.sample(.sample("c1", thread: other), document: #"{"ts":"soon"}"#), blobs: [])
            #expect(try await retain(store, RetentionPolicy(age: .seconds(1)), other).outcome == .kept)
            let writes = CheckpointKey.sample("c1", thread: ThreadKey("writes"))
            try await store.putWrites([.sample()], for: writes, onConflict: .keepFirst)
            #expect(try await retain(store, RetentionPolicy(age: .seconds(1)), writes.thread).outcome == .kept)
            let late = Self.now.advanced(by: day)
            #expect(try await retain(store, .none, at: late).outcome == .deleted)
            #expect(try await ids(store).isEmpty)
        }
    }

    @Test("a thread whose time is over and where somebody waits for an answer keeps that", arguments: Backend.allCases)
    func waiting(_ backend: Backend) async throws {
        try await backend.withStore { store in
            try await fill(store)
            let key = CheckpointKey.sample("c3", thread: Self.thread)
            try await store.putWrites([.sample("t", -3, channel: "__interrupt__")], for: key, onConflict: .replace)
            #expect(try await retain(store, RetentionPolicy(idle: .seconds(1))).outcome == .pruned)
            #expect(try await ids(store) == ["c6", "c3"])
            #expect(try await retain(store, RetentionPolicy(idle: .seconds(1))).outcome == .kept)
        }
    }
}

/// Times as LangGraph writes them.
enum Timestamps {
    static func text(_ time: WallTime) -> String {
        let (days, rest) = time.milliseconds.quotientAndRemainder(dividingBy: 86_400_000)
        // Only the days around the tests' time.
        let date = days == 20_833 ? "2027-01-15" : days == 20_832 ? "2027-01-14" : "none"
        func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(date)T\(two(rest / 3_600_000)):\(two(rest / 60_000 % 60)):\(two(rest / 1_000 % 60)).000000+00:00"
    }
}
