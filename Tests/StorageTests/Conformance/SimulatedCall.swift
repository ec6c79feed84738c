import Checkpoints
import JSON
import TestSupport

/// One call with its arguments.
indirect enum SimulatedCall: Sendable {
    // What agents call.
    case put(Checkpoint, [ChannelBlob], HeadExpectation)
    case putWrites([WriteGroup], CheckpointKey)
    case tuple(ThreadKey, Identifier, Identifier?, TupleParts)
    case list(CheckpointQuery)
    case history([Identifier], ThreadKey, Identifier, Identifier?)
    case deleteThread(ThreadKey)
    // Whole threads.
    case summaries(Tenant, after: Identifier?, limit: Int)
    case summary(ThreadKey)
    case sizes(ThreadKey)
    case copyThread(ThreadKey, Identifier)
    case deleteRuns(Set<Identifier>, Tenant)
    case prune(ThreadKey, PruneStrategy, isDryRun: Bool)
    case settings(ThreadKey)
    case set(ThreadSettings, ThreadKey)
    /// A thread is followed while other calls are made.
    case followed(ThreadKey, [SimulatedCall])
    // Retention.
    case overviews(Tenant, pageThreads: Int, areTimed: Bool)
    case outlook(ThreadKey, RetentionPolicy, WallTime)
    /// `isRefused`: whoever is told what will go throws.
    case retain(ThreadKey, RetentionPolicy, WallTime, portion: Int, isRefused: Bool)
    case sweepTurn
    case reclaim
    // Moving between stores.
    case threadKeys(Tenant, pageThreads: Int)
    /// `stopAfter`: the reader throws after so many rows.
    case rows(ThreadKey, stopAfter: Int?)
    case add([ThreadRow], ThreadKey)
    /// Every value gets a byte more, as sealing makes them longer.
    case rewrite(ThreadKey, as: Identifier)
    // Maintenance.
    case probe
    case measure
    case verify
    /// The store is closed and opened, by the simulator.
    case reopen

    /// What the store answers; an error is an answer.
    func answer(on store: any Backend.Store) async throws -> SimulatedAnswer {
        do {
            return try await run(on: store)
        } catch let error as StoreError {
            return .failed(error.kind)
        }
    }

    private func run(on store: any Backend.Store) async throws -> SimulatedAnswer {
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
        case .deleteThread(let thread):
            try await store.deleteThread(thread)
            return .done
        case .rows(let thread, let count):
            let rows = Collected<ThreadRow>()
            try await store.rows(of: thread) { row throws(StoreError) in
                rows.append(row)
                if rows.values.count == count { throw StoreError(.tooLarge, during: "stop") }
            }
            return .rows(rows.values)
        case .add(let rows, let thread):
            try await store.add(rows, to: thread)
            return .done
        case .threadKeys(let tenant, let pageThreads):
            return .threadKeys(
                try await store.allThreads(pageThreads: pageThreads).filter { $0.tenant == tenant }.sorted())
        case .overviews, .outlook, .retain, .sweepTurn, .reclaim: return try await runRetention(on: store)
        case .rewrite(let thread, let target): return try await rewrite(thread, target, on: store)
        case .followed(let thread, let calls): return try await follow(thread, calls, on: store)
        case .probe, .measure, .verify, .reopen: return try await runMaintenance(on: store)
        default: return try await runThreads(on: store)
        }
    }

    private func runThreads(on store: any Backend.Store) async throws -> SimulatedAnswer {
        switch self {
        case .summaries(let tenant, let last, let limit):
            return .summaries(try await store.threads(of: tenant, after: last, limit: limit).map(\.withoutBytes))
        case .summary(let thread):
            return .summaries([try await store.summary(of: thread)?.withoutBytes].compactMap(\.self))
        case .sizes(let thread): return .sizes(try await store.sizes(of: thread)?.asPut)
        case .copyThread(let thread, let target): return .copy(try await store.copyThread(thread, to: target))
        case .deleteRuns(let runs, let tenant):
            try await store.deleteRuns(runs, of: tenant)
            return .done
        case .prune(let thread, let strategy, let isDryRun):
            return .prune(try await store.prune(thread, strategy, isDryRun: isDryRun).withoutBytes)
        case .settings(let thread): return .settings(try await store.settings(of: thread))
        case .set(let settings, let thread): return .set(try await store.set(settings, for: thread).withoutPlace)
        default: preconditionFailure("\(self) is run elsewhere")
        }
    }

    private func runRetention(on store: any Backend.Store) async throws -> SimulatedAnswer {
        switch self {
        case .overviews(let tenant, let limit, let areTimed):
            var found: [ThreadOverview] = []
            while true {
                let page = try await store.overviews(after: found.last?.thread, limit: limit, areTimed: areTimed)
                found += page
                if page.isEmpty { break }
            }
            return .overviews(found.filter { $0.thread.tenant == tenant }.sorted { $0.thread < $1.thread })
        case .outlook(let thread, let policy, let now):
            return .retention([try await store.outlook(of: thread, under: policy, at: now).withoutBytes])
        case .retain(let thread, let policy, let now, let portion, let isRefused):
            let announced = Collected<RetentionReport>()
            let pace = SweepPace(size: portion, largest: portion, isResting: false)
            let report = try await store.retain(thread, under: policy, at: now, pace) { report throws(StoreError) in
                announced.append(report)
                if isRefused { throw StoreError(.tooLarge, during: "stop") }
            }
            return .retention((announced.values + [report]).map(\.withoutBytes))
        case .sweepTurn:
            let isTaken = try await store.takeSweepTurn("simulated", for: .seconds(60)) != nil
            try await store.endSweepTurn("simulated")
            return .taken(isTaken)
        case .reclaim:
            _ = try await store.reclaim(leaving: 0, SweepPace(isResting: false))
            return .done
        default: preconditionFailure("\(self) is run elsewhere")
        }
    }

    private func runMaintenance(on store: any Backend.Store) async throws -> SimulatedAnswer {
        switch self {
        case .probe: try await store.probe()
        case .measure:
            // How large it is, and about how many threads it has, each store says by itself.
            _ = try await answered { store.measure(then: $0) }
            _ = try await answered { store.countThreads(then: $0) }
        case .verify:
            let found = try await store.verify { _ in }
            return .verified(found.checked.withoutThreads, found.damage)
        case .reopen: break
        default: preconditionFailure("\(self) is run elsewhere")
        }
        return .done
    }

    private func rewrite(
        _ thread: ThreadKey,
        _ target: Identifier,
        on store: any Backend.Store
    ) async throws -> SimulatedAnswer {
        guard let store = store as? any SealableStore else { preconditionFailure("the store cannot be sealed") }
        let target = ThreadKey(target, tenant: thread.tenant)
        let outcome = try await store.rewrite(thread, as: target) { row in
            switch row {
            case .blob(let namespace, var blob):
                blob = ChannelBlob(
                    channel: blob.channel, version: blob.version, type: blob.type, bytes: blob.bytes.map { $0 + [7] })
                return .blob(namespace: namespace, blob)
            case .write(let namespace, let id, var write):
                write.bytes.append(7)
                return .write(namespace: namespace, checkpointID: id, write)
            case .checkpoint(let old):
                let key = CheckpointKey(thread: target, namespace: old.key.namespace, id: old.key.id)
                return .checkpoint(
                    Checkpoint(key: key, parentID: old.parentID, document: old.document, metadata: old.metadata))
            }
        }
        return .copy(outcome)
    }

    private func follow(
        _ thread: ThreadKey,
        _ calls: [SimulatedCall],
        on store: any Backend.Store
    ) async throws -> SimulatedAnswer {
        let told = Collected<ThreadChange>()
        let follower = try await store.follow(thread) { told.append($0) }
        var answers: [SimulatedAnswer] = []
        for call in calls { answers.append(try await call.answer(on: store)) }
        follower.end()
        return .followed(answers, told.values.map(\.effect).withoutPortions)
    }
}
