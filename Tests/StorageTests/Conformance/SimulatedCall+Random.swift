import Checkpoints
import JSON
import TestSupport

// Arguments come from pools small enough that calls meet.
extension SimulatedCall {
    /// As LangGraph makes ids, which a store may keep in another form than other texts.
    private static let uuid: Identifier = "1ef4f797-8335-6428-8001-8a1503f9b875"
    private static let versions: [Identifier] = [
        "1", "1\u{FFFD}", "2", "2.0", "2.5", "True",
        "00000000000000000000000000000006.0.5", "00000000000000000000000000000007.0.25",
    ]
    /// In documents; the last are what PostgreSQL's `jsonb` cannot hold, or holds otherwise than Python writes it.
    private static let versionTexts =
        ["1", "2.0"] + versions.map { "\"\($0)\"" } + [#""1\u0000""#, #""1\ud800""#, "2.50", "true"]
    /// What a text may end with: the first two are the third to `jsonb`.
    private static let oddEnds = [#"\u0000"#, #"\ud800"#, "\u{FFFD}"]
    private static let filters: [JSONValue?] = [
        nil, nil, ["step": 1], ["tags": ["x"]], [:], ["run_id": "r\u{FFFD}"],
    ]
    /// Before, between and after the times of checkpoints.
    private static let clocks = [1_795_680_000_000, 1_795_690_000_000, 1_795_800_000_000].map {
        WallTime(milliseconds: $0)
    }

    /// What a store can be asked.
    struct Scope: Sendable {
        var tenant = Tenant.default
        /// To rewrite threads: it does not seal them itself.
        var isSealable = false
        /// For what it holds of all tenants, and what is told of a thread: beside other clients a store may say that
        /// it does not know.
        var isWhole = true
        /// To sweep: there is one sweep at a time, others are told that they were interrupted.
        var isSwept = true
    }

    static func random(_ random: inout SeededGenerator, _ scope: Scope = Scope()) -> SimulatedCall {
        let thread = thread(scope.tenant, &random)
        switch Int.random(in: 0..<100, using: &random) {
        case ..<26:
            let blobs = (0..<Int.random(in: 0..<4, using: &random)).map { _ in blob(&random) }
            let head: HeadExpectation = pick([.any, .any, .any, .head(nil), .head("c2")], &random)
            return .put(checkpoint(key(thread, &random), &random), blobs, head)
        case ..<44:
            return .putWrites(
                (0..<Int.random(in: 0..<3, using: &random)).map { _ in group(&random) }, key(thread, &random))
        case ..<54:
            let parts: TupleParts = Bool.random(using: &random) ? .tuple : [.blobs, .pendingWrites, .parentSends]
            return .tuple(thread, namespace(&random), Bool.random(using: &random) ? nil : id(&random), parts)
        case ..<62: return .list(query(thread, &random))
        case ..<66:
            let channels: [Identifier] = pick([["a", "b", "c", "a"], ["a", "b", "c\u{FFFD}"]], &random)
            return .history(channels, thread, namespace(&random), pick([nil, id(&random)], &random))
        case ..<69: return .rows(thread, stopAfter: pick([nil, nil, 1, 5], &random))
        case ..<72: return .add((0..<Int.random(in: 1..<5, using: &random)).map { _ in row(thread, &random) }, thread)
        case ..<74 where scope.isWhole:
            let calls = (0..<Int.random(in: 1..<6, using: &random)).map { _ in
                SimulatedCall.random(&random, scope)
            }
            return .followed(thread, calls)
        case ..<96: return ofThread(thread, scope, &random)
        default: return ofStore(scope, &random)
        }
    }

    private static func ofThread(
        _ thread: ThreadKey,
        _ scope: Scope,
        _ random: inout SeededGenerator
    ) -> SimulatedCall {
        switch Int.random(in: 0..<22, using: &random) {
        case ..<2: return .deleteThread(thread)
        case ..<4: return .copyThread(thread, pick(["t1", "t2", "copy", uuid], &random))
        case ..<5: return .deleteRuns([pick(["r1", "r2", "r\u{FFFD}"], &random)], thread.tenant)
        case ..<9:
            let strategy = pick([.keepLatest(1), .keepLatest(1), .keepLatest(2), .delete] as [PruneStrategy], &random)
            return .prune(thread, strategy, isDryRun: Bool.random(using: &random))
        case ..<10:
            return .summaries(thread.tenant, after: pick([nil, "t1"], &random), limit: pick([1, 2, 1_000], &random))
        case ..<11: return .summary(thread)
        case ..<13: return .sizes(thread)
        case ..<14: return .settings(thread)
        case ..<18: return .set(settings(&random), thread)
        case ..<19: return .outlook(thread, policy(&random), pick(clocks, &random))
        case _ where !scope.isSwept: return .outlook(thread, policy(&random), pick(clocks, &random))
        default:
            return .retain(
                thread, policy(&random), pick(clocks, &random), portion: pick([1, 3, 1_000], &random),
                isRefused: Int.random(in: 0..<5, using: &random) == 0)
        }
    }

    private static func ofStore(_ scope: Scope, _ random: inout SeededGenerator) -> SimulatedCall {
        let tenant = scope.tenant
        switch Int.random(in: 0..<16, using: &random) {
        case ..<4:
            return .overviews(tenant, pageThreads: pick([1, 2, 1_000], &random), areTimed: Bool.random(using: &random))
        case ..<7: return .threadKeys(tenant, pageThreads: pick([1, 2, 1_000], &random))
        case ..<8: return .sweepTurn
        case ..<9: return .reclaim
        case ..<10: return .probe
        case ..<11: return .measure
        case ..<12 where scope.isWhole: return .verify
        case _ where scope.isSealable:
            return .rewrite(thread(tenant, &random), as: pick(["t1", "t2", "copy"], &random))
        default: return .sizes(thread(tenant, &random))
        }
    }

    /// A checkpoint's id is made from the time, so that the same id in two namespaces has the same.
    private static func time(of id: Identifier) -> String {
        switch id {
        case "c1", "": "\"2026-11-26T10:00:00.000000+00:00\""
        case "c2", "C3": "\"2026-11-26T11:00:00.000000+00:00\""
        case "c3": "\"2026-11-27T10:00:00.123456+00:00\""
        case uuid: "1"
        case "c\u{e9}": #""2026\u0000""#
        default: #""2026\ufffd""#
        }
    }

    // MARK: - Arguments

    private static func thread(_ tenant: Tenant, _ random: inout SeededGenerator) -> ThreadKey {
        ThreadKey(pick(["t1", "t1", "t2", "t2", "t\u{e9}", uuid], &random), tenant: tenant)
    }

    private static func namespace(_ random: inout SeededGenerator) -> Identifier {
        pick(["", "a", "a:1|b"], &random)
    }

    private static func id(_ random: inout SeededGenerator) -> Identifier {
        pick(["c1", "c2", "c3", "C3", "c\u{e9}", "ce\u{301}", "", uuid], &random)
    }

    private static func key(_ thread: ThreadKey, _ random: inout SeededGenerator) -> CheckpointKey {
        CheckpointKey(thread: thread, namespace: namespace(&random), id: id(&random))
    }

    private static func row(_ thread: ThreadKey, _ random: inout SeededGenerator) -> ThreadRow {
        switch Int.random(in: 0..<3, using: &random) {
        case 0: .blob(namespace: namespace(&random), blob(&random))
        case 1: .write(namespace: namespace(&random), checkpointID: id(&random), write(&random))
        default: .checkpoint(checkpoint(key(thread, &random), &random))
        }
    }

    private static func settings(_ random: inout SeededGenerator) -> ThreadSettings {
        let pins = (0..<pick([0, 0, 1, 2], &random)).map { _ in
            CheckpointPlace(namespace: namespace(&random), id: id(&random))
        }
        return ThreadSettings(
            timeToLive: pick([nil, nil, 60, 100_000], &random),
            pins: Set(pins),
            isHeld: Int.random(in: 0..<6, using: &random) == 0
        )
    }

    private static func policy(_ random: inout SeededGenerator) -> RetentionPolicy {
        RetentionPolicy(
            idle: pick([nil, nil, .seconds(1), .seconds(90_000)], &random),
            age: pick([nil, nil, .seconds(1), .seconds(90_000)], &random),
            keepLast: pick([nil, 1, 2], &random)
        )
    }

    private static func checkpoint(_ key: CheckpointKey, _ random: inout SeededGenerator) -> Checkpoint {
        let versions = ["\"a\"", "\"b\"", odd("c", &random)].map { channel in
            "\(channel):\(pick(Self.versionTexts, &random))"
        }
        let oddValue = "{\(odd("c", &random)):\(odd("x", &random))}"
        let values = pick(["{}", "{}", #"{"a":[1, 2]}"#, #"{"b":null,"c":"x"}"#, oddValue], &random)
        let document = """
            {"v":\(pick(["1", "4", "3.5", "\"1\""], &random)),"ts":\(time(of: key.id)),\
            "channel_values":\(values),"channel_versions":{\(versions.joined(separator: ","))}}
            """
        var metadata = [
            "\"step\":\(Int.random(in: 0..<4, using: &random))", "\"tags\":[\(pick(["1", "\"x\"", ""], &random))]",
            "\"source\":\(pick(["\"loop\"", odd("update", &random)], &random))",
            "\"run_id\":\(pick(["\"r1\"", "\"r2\"", odd("r", &random), "1"], &random))",
            "\"parents\":{\"\":\(pick(["\"c1\"", "\"c2\"", odd("c", &random)], &random))}",
        ]
        if Int.random(in: 0..<8, using: &random) == 0 {
            metadata.append(#""counters_since_delta_snapshot":{"a":[1,1]}"#)
        }
        return Checkpoint(
            key: key,
            parentID: pick([nil, "c1", "c2", "c3", "", Self.uuid], &random),
            document: JSONText(trusted: Array(document.utf8)),
            metadata: JSONText(trusted: Array("{\(metadata.joined(separator: ","))}".utf8))
        )
    }

    private static func blob(_ random: inout SeededGenerator) -> ChannelBlob {
        let snapshot: [UInt8] = [0xC7, 3, 7, 0x92, 1, 2]
        return ChannelBlob(
            channel: pick(["a", "b", "c", "c\u{FFFD}"], &random),
            version: pick(Self.versions, &random),
            type: pick(["msgpack", "msgpack", "null", "empty", ""], &random),
            bytes: pick(
                [nil, [], snapshot, bytes(&random), growing(&random), growing(&random), growing(&random)], &random)
        )
    }

    private static func group(_ random: inout SeededGenerator) -> WriteGroup {
        let writes = (0..<Int.random(in: 0..<4, using: &random)).map { _ in write(&random) }
        return WriteGroup(writes, onConflict: Bool.random(using: &random) ? .keepFirst : .replace)
    }

    private static func write(_ random: inout SeededGenerator) -> PendingWrite {
        PendingWrite(
            taskID: pick(["t1", "t2", "T", Self.uuid], &random),
            index: pick([-1, 0, 1, 10, .max, .min], &random),
            channel: pick(["a", "b", "__interrupt__", "__resume__", "__pregel_tasks"], &random),
            type: pick([nil, "msgpack", ""], &random),
            bytes: bytes(&random),
            taskPath: pick(["", "~p", "p"], &random)
        )
    }

    private static func query(_ thread: ThreadKey, _ random: inout SeededGenerator) -> CheckpointQuery {
        let scope: CheckpointQuery.Scope = pick([.thread(thread), .thread(thread), .tenant(thread.tenant)], &random)
        let inOneThread = ListPlace(id: "c2", thread: thread.id, namespace: "a")
        let place = ListPlace(id: "c3", thread: pick(["t1", "t3"], &random), namespace: "")
        return CheckpointQuery(
            scope: scope,
            namespace: pick([nil, nil, "", "a"], &random),
            id: pick([nil, nil, nil, "c1"], &random),
            before: pick([nil, nil, "c2", "", "\u{10FFFF}", Self.uuid], &random),
            after: pick([nil, nil, scope == .tenant(thread.tenant) ? place : inOneThread], &random),
            metadataFilter: pick(filters, &random),
            limit: pick([1, 2, 100, 1_000], &random),
            parts: pick([[], [.blobs], [.blobs, .pendingWrites, .parentSends]], &random)
        )
    }

    /// Values that have much in common, as the versions of a channel do.
    private static func growing(_ random: inout SeededGenerator) -> [UInt8] {
        var text = Array("start".utf8)
        for turn in 0..<Int.random(in: 1...200, using: &random) {
            text += Array("message number \(turn) of this thread; ".utf8)
        }
        return text
    }

    /// A text that begins like that, as JSON; one in four has a rare end.
    private static func odd(_ text: String, _ random: inout SeededGenerator) -> String {
        "\"\(text)\(pick(["", "", "", pick(oddEnds, &random)], &random))\""
    }

    private static func bytes(_ random: inout SeededGenerator) -> [UInt8] {
        let count = pick([0, 1, 10, 5_000], &random)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static func pick<Value>(_ values: [Value], _ random: inout SeededGenerator) -> Value {
        values[Int.random(in: 0..<values.count, using: &random)]
    }
}
