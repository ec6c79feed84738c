import Checkpoints
import Testing

/// Times, and what they decide.
@Suite("Retention policies", .timeLimit(.minutes(5)))
struct RetentionPolicyTests {
    @Test(
        "a time is read as Python and JavaScript write it, with its zone, and nothing else is a time",
        arguments: [
            ("1970-01-01T00:00:00+00:00", 0), ("2026-11-26T22:00:00.123456+00:00", 1_795_730_400_123),
            ("2026-11-26T22:00:00.5Z", 1_795_730_400_500), ("2026-11-26T23:30:00+01:30", 1_795_730_400_000),
            ("2026-11-26T17:00:00-0500", 1_795_730_400_000), ("2024-02-29 12:00+00", 1_709_208_000_000),
            ("1969-12-31T23:59:59Z", -1_000), ("2026-11-26T22:00:00", nil), ("2026-13-26T22:00:00Z", nil),
            ("soon", nil), ("", nil), ("2026-11-26T22:00:00Zx", nil), ("2026-11-26T24:00:00Z", nil),
        ] as [(String, Int64?)])
    func times(_ text: String, _ milliseconds: Int64?) {
        #expect(WallTime(iso8601: text)?.milliseconds == milliseconds)
    }

    private static let now = WallTime(iso8601: "2026-11-26T22:00:00Z").unsafelyUnwrapped

    @Test(
        "a thread's time is over after so long without a change, or so long after its beginning",
        arguments: [
            (10, nil, "2026-11-01T00:00:00Z", "2026-11-26T21:59:51Z", false),
            (10, nil, "2026-11-01T00:00:00Z", "2026-11-26T21:59:49Z", true),
            (nil, 3_600, "2026-11-26T21:00:01Z", "2026-11-26T21:59:51Z", false),
            (nil, 3_600, "2026-11-26T20:59:59Z", "2026-11-26T21:59:51Z", true),
            (10, 10, nil, "2026-11-26T21:00:00Z", false), (10, 10, "2026-11-26T21:00:00Z", "?", false),
            (10, 10, "2026-11-26T21:00:00Z", "2026-11-27T00:00:00Z", false),
            (10, 10, "2026-11-27T00:00:00Z", "2026-11-26T21:00:00Z", false),
            (nil, nil, "2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z", false),
        ] as [(Int?, Int?, String?, String?, Bool)])
    func over(_ idle: Int?, _ age: Int?, _ first: String?, _ newest: String?, _ isOver: Bool) {
        let policy = RetentionPolicy(idle: idle.map { .seconds($0) }, age: age.map { .seconds($0) })
        #expect(policy.isOver(first: first, newest: newest, at: Self.now) == isOver)
    }

    @Test("a clock that is a day late or early takes a day more or nothing, never what is to come")
    func jumps() {
        let policy = RetentionPolicy(idle: .seconds(30 * 86_400))
        let day = Duration.seconds(86_400)
        let times = ("2026-10-01T00:00:00Z", "2026-10-28T00:00:00Z")
        #expect(!policy.isOver(first: times.0, newest: times.1, at: Self.now))
        #expect(!policy.isOver(first: times.0, newest: times.1, at: Self.now.advanced(by: day / 24)))
        #expect(policy.isOver(first: times.0, newest: times.1, at: Self.now.advanced(by: day)))
        let now = "2026-11-26T22:00:00Z"
        #expect(!policy.isOver(first: now, newest: now, at: Self.now.advanced(by: day)))
        #expect(!policy.isOver(first: now, newest: now, at: Self.now.advanced(by: .zero - day)))
        let short = RetentionPolicy(idle: .seconds(1))
        #expect(!short.isOver(first: times.0, newest: now, at: Self.now.advanced(by: .zero - day)))
    }

    @Test("a thread's own time replaces the policy's times, and not its number")
    func replaced() {
        let policy = RetentionPolicy(idle: .seconds(1), age: .seconds(2), keepLast: 3)
        #expect(policy.replaced(by: .none) == policy)
        #expect(
            policy.replaced(by: ThreadSettings(timeToLive: 9)) == RetentionPolicy(idle: .seconds(9), keepLast: 3))
        #expect(RetentionPolicies(.none).isEmpty)
        #expect(!RetentionPolicies(.none, ofTenants: [Tenant(name: "a"): policy]).isEmpty)
    }

    @Test("portions become as large as what takes 20 ms, at once smaller and by and by larger")
    func pace() async {
        let pace = SweepPace(size: 100, isResting: false)
        #expect(await pace.finished(size: 100, took: .milliseconds(1)))
        #expect(pace.size == 200, "never more than twice as large")
        #expect(await pace.finished(size: 200, took: .milliseconds(200)))
        #expect(pace.size == 20)
        for _ in 0..<30 { _ = await pace.finished(size: pace.size, took: .microseconds(10 * pace.size)) }
        #expect((1_900...2_000).contains(pace.size))
        let stopped = SweepPace(isResting: false) { false }
        #expect(await !stopped.finished(size: 1, took: .zero))
    }
}
