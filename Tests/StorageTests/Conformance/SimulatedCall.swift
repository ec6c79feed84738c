import Checkpoints
import JSON
import TestSupport

/// One call with its arguments, from pools small enough that calls meet.
enum SimulatedCall: Sendable {
    case put(Checkpoint, [ChannelBlob], HeadExpectation)
    case putWrites([WriteGroup], CheckpointKey)
    case tuple(ThreadKey, Identifier, Identifier?, TupleParts)
    case list(CheckpointQuery)
    case history([Identifier], ThreadKey, Identifier, Identifier?)
    case rows(ThreadKey)
    case summaries(Tenant)
    case deleteThread(ThreadKey)
    case copyThread(ThreadKey, Identifier)
    case deleteRuns(Set<Identifier>, Tenant)
    case prune(ThreadKey, PruneStrategy, isDryRun: Bool)

    enum Answer: Equatable {
        case done
        case put(PutOutcome)
        case tuple(CheckpointTuple?)
        case list(CheckpointPage)
        case history([ChannelHistory])
        case rows([ThreadRow])
        case summaries([ThreadSummary])
        case copy(CopyOutcome)
        case prune(PruneReport)
    }

    func run(on store: some ThreadStore & ThreadSource) async throws -> Answer {
        switch self {
        case .put(let checkpoint, let blobs, let head):
            return .put(try await store.put(checkpoint, blobs: blobs, expecting: head))
        case .putWrites(let groups, let key):
            try await store.putWrites(groups, for: key)
            return .done
        case .tuple(let thread, let namespace, let id, let parts):
            return .tuple(try await store.tuple(in: thread, namespace: namespace, id: id, parts: parts))
        case .list(let query): return .list(try await store.list(query))
        case .history(let channels, let thread, let namespace, let id):
            return .history(try await store.history(of: channels, in: thread, namespace: namespace, id: id))
        case .rows(let thread): return .rows(try await store.allRows(of: thread))
        case .summaries(let tenant):
            let found = try await store.threads(of: tenant, after: nil, limit: 1_000)
            return .summaries(found.map(\.withoutBytes).sorted { $0.thread < $1.thread })
        case .deleteThread(let thread):
            try await store.deleteThread(thread)
            return .done
        case .copyThread(let thread, let target): return .copy(try await store.copyThread(thread, to: target))
        case .deleteRuns(let runs, let tenant):
            try await store.deleteRuns(runs, of: tenant)
            return .done
        case .prune(let thread, let strategy, let isDryRun):
            return .prune(try await store.prune(thread, strategy, isDryRun: isDryRun).withoutBytes)
        }
    }

    static func random(_ random: inout SeededGenerator, tenant: Tenant = .default) -> SimulatedCall {
        let thread = ThreadKey(pick(["t1", "t2", "t\u{e9}"], &random), tenant: tenant)
        let namespace = pick(["", "a", "a:1|b"] as [Identifier], &random)
        let id = pick(["c1", "c2", "c3", "C3", "c\u{e9}", "ce\u{301}", ""] as [Identifier], &random)
        let key = CheckpointKey(thread: thread, namespace: namespace, id: id)
        switch Int.random(in: 0..<100, using: &random) {
        case ..<32:
            let blobs = (0..<Int.random(in: 0..<4, using: &random)).map { _ in blob(&random) }
            return .put(checkpoint(key, &random), blobs, pick([.any, .any, .any, .head(nil), .head("c2")], &random))
        case ..<52:
            return .putWrites((0..<Int.random(in: 0..<3, using: &random)).map { _ in group(&random) }, key)
        case ..<66:
            let parts: TupleParts = Bool.random(using: &random) ? .tuple : [.blobs, .pendingWrites, .parentSends]
            return .tuple(thread, namespace, Bool.random(using: &random) ? nil : id, parts)
        case ..<78: return .list(query(thread, &random))
        case ..<83: return .history(["a", "b", "c", "a"], thread, namespace, pick([nil, id], &random))
        case ..<87: return .rows(thread)
        case ..<89: return .summaries(tenant)
        case ..<91: return .deleteThread(thread)
        case ..<94: return .copyThread(thread, pick(["t1", "t2", "copy"], &random))
        case ..<95: return .deleteRuns([pick(["r1", "r2"], &random)], tenant)
        default:
            let strategy = pick([.keepLatest(1), .keepLatest(1), .keepLatest(2), .delete] as [PruneStrategy], &random)
            return .prune(thread, strategy, isDryRun: Bool.random(using: &random))
        }
    }
}

// MARK: - Arguments

extension SimulatedCall {
    private static func checkpoint(_ key: CheckpointKey, _ random: inout SeededGenerator) -> Checkpoint {
        let versions = ["a", "b", "c"].map { channel in
            "\"\(channel)\":\(pick(["\"1\"", "\"2\"", "\"3\"", "\"4\"", "1", "2.0", "\"5\""], &random))"
        }
        let values = pick(["{}", "{}", #"{"a":[1, 2]}"#, #"{"b":null,"c":"x"}"#], &random)
        let document = """
            {"v":\(pick(["1", "4", "3.5", "\"1\""], &random)),"ts":\(pick(["\"2026\"", "1"], &random)),\
            "channel_values":\(values),"channel_versions":{\(versions.joined(separator: ","))}}
            """
        var metadata = [
            "\"step\":\(Int.random(in: 0..<4, using: &random))", "\"tags\":[\(pick(["1", "\"x\"", ""], &random))]",
            "\"source\":\"\(pick(["loop", "update"], &random))\"",
            "\"run_id\":\(pick(["\"r1\"", "\"r2\"", "\"r3\"", "1"], &random))",
            "\"parents\":{\"\":\"\(pick(["c1", "c2", "gone"], &random))\"}",
        ]
        if Int.random(in: 0..<8, using: &random) == 0 {
            metadata.append(#""counters_since_delta_snapshot":{"a":[1,1]}"#)
        }
        return Checkpoint(
            key: key,
            parentID: pick([nil, "c1", "c2", "c3", ""], &random),
            document: JSONText(trusted: Array(document.utf8)),
            metadata: JSONText(trusted: Array("{\(metadata.joined(separator: ","))}".utf8))
        )
    }

    private static func blob(_ random: inout SeededGenerator) -> ChannelBlob {
        let snapshot: [UInt8] = [0xC7, 3, 7, 0x92, 1, 2]
        return ChannelBlob(
            channel: pick(["a", "b", "c"], &random),
            version: pick(["1", "2", "2.0", "3", "4", "5"], &random),
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
            taskID: pick(["t1", "t2", "T"], &random),
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
            before: pick([nil, nil, "c2", "", "\u{10FFFF}"], &random),
            after: pick([nil, nil, scope == .tenant(thread.tenant) ? place : inOneThread], &random),
            metadataFilter: pick([nil, nil, ["step": 1], ["tags": ["x"]], [:]] as [JSONValue?], &random),
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

    private static func bytes(_ random: inout SeededGenerator) -> [UInt8] {
        let count = pick([0, 1, 10, 5_000], &random)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
    }

    private static func pick<Value>(_ values: [Value], _ random: inout SeededGenerator) -> Value {
        values[Int.random(in: 0..<values.count, using: &random)]
    }
}

// Stores keep the same in more or fewer bytes.
extension ThreadSummary {
    fileprivate var withoutBytes: ThreadSummary {
        ThreadSummary(
            thread: thread,
            namespaces: namespaces.map { namespace in
                NamespaceSummary(
                    namespace: namespace.namespace,
                    first: namespace.first,
                    head: namespace.head,
                    counts: namespace.counts.withoutBytes
                )
            }
        )
    }
}

extension PruneReport {
    fileprivate var withoutBytes: PruneReport {
        PruneReport(thread: thread, removed: removed.withoutBytes, kept: kept)
    }
}

extension RowCounts {
    fileprivate var withoutBytes: RowCounts {
        RowCounts(checkpoints: checkpoints, blobs: blobs, writes: writes)
    }
}
