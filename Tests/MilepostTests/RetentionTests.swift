import Authentication
import Checkpoints
import JSON
import Logging
import Synchronization
import TestSupport
import Testing

@testable import milepost

/// The retention file, and the sweeper of a server.
@Suite("Retention", .timeLimit(.minutes(5)))
struct RetentionTests {
    @Test("a file gives the default and what replaces it for single tenants")
    func file() throws {
        let text = #"{"default":{"idle":"30d","last":5},"tenants":{"acme":{"age":"12h"},"ever":{}}}"#
        let policies = try RetentionFile.policies(Array(text.utf8), "f", .none)
        #expect(policies[.default] == RetentionPolicy(idle: .seconds(30 * 86_400), keepLast: 5))
        #expect(policies[Tenant(name: "acme")] == RetentionPolicy(age: .seconds(12 * 3_600)))
        #expect(policies[Tenant(name: "ever")] == .none)
        let given = RetentionPolicy(keepLast: 2)
        let tenants = #"{"tenants":{"acme":{"last":1}}}"#
        #expect(try RetentionFile.policies(Array(tenants.utf8), "f", given)[.default] == given)
    }

    @Test(
        "what is wrong in a file is named with its place, and is wrong usage",
        arguments: [
            ("[]", "it is no JSON object"), ("{", "it is not JSON"), (#"{"defualt":{}}"#, "'defualt' is not known"),
            (#"{"default":5}"#, "'default' is no object"), (#"{"default":{"idle":"30"}}"#, "'default.idle' is no time"),
            (#"{"default":{"age":30}}"#, "'default.age' is no time"),
            (#"{"tenants":{"a":{"last":0}}}"#, "'tenants.a.last' is no number"),
            (#"{"tenants":{"a":{"last":1.5}}}"#, "'tenants.a.last' is no number"),
            (#"{"tenants":{"a":{},"a":{}}}"#, "'tenants.a' stands twice"),
            (#"{"tenants":[]}"#, "'tenants' is no object"),
            (#"{"tenants":{"a":{"keep":1}}}"#, "'tenants.a.keep' is not known"),
        ])
    func wrong(_ text: String, _ words: String) {
        let error = #expect(throws: StartError.self) { try RetentionFile.policies(Array(text.utf8), "f", .none) }
        #expect(error?.isUsage == true && error?.description.contains(words) == true, "\(error?.description ?? "")")
    }

    @Test("a default in the file and one elsewhere is an error")
    func twice() {
        let error = #expect(throws: StartError.self) {
            try RetentionFile.policies(Array(#"{"default":{}}"#.utf8), "f", RetentionPolicy(keepLast: 1))
        }
        #expect(error?.description.contains("said elsewhere") == true)
    }

    private final class Clock: Sendable {
        let calls = Mutex(0)
        let step: Int64

        init(step: Int64) {
            self.step = step
        }

        var now: WallTime {
            let count = calls.withLock { calls in
                calls += 1
                return calls
            }
            return WallTime.now.advanced(by: .seconds(step * Int64(count)))
        }
    }

    @Test(
        "a sweep is left out while the clock is being set, and goes on when it is not",
        arguments: [86_400, -86_400, 0])
    func clock(_ step: Int64) async throws {
        let store = MemoryStore()
        let document: JSONText = #"{"ts":"2020-01-01T00:00:00Z"}"#
        _ = try await store.put(.sample(document: document), blobs: [], expecting: .any)
        let clock = Clock(step: step)
        let (swept, sweeps) = AsyncStream.makeStream(of: RetentionSweep.Report.self)
        let sweeper = Sweeper(
            store: store,
            policies: RetentionPolicies(RetentionPolicy(idle: .seconds(60))),
            interval: .milliseconds(5),
            audit: .off,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            observe: { sweeps.yield($0) },
            wallClock: { _ in clock.now }
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await sweeper.run() }
            if step == 0 {
                for await report in swept {
                    #expect(report.deleted == 1)
                    break
                }
            } else {
                try await eventually { clock.calls.withLock { $0 } >= 6 }
            }
            group.cancelAll()
        }
        let left = try await store.summary(of: ThreadKey("t1"))
        #expect((left == nil) == (step == 0))
    }
}
