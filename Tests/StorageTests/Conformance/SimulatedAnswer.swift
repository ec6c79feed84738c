import Checkpoints

/// What a store answered, without what each store may say by itself: how many bytes something takes.
indirect enum SimulatedAnswer: Equatable, Sendable {
    case done
    case put(PutOutcome)
    case tuple(CheckpointTuple?)
    case list(CheckpointPage)
    case history([ChannelHistory])
    case rows([ThreadRow])
    case threadKeys([ThreadKey])
    case summaries([ThreadSummary])
    case sizes(ThreadSizes?)
    case copy(CopyOutcome)
    case prune(PruneReport)
    case settings(ThreadSettings?)
    case set(SettingsOutcome)
    case followed([SimulatedAnswer], [ThreadChange.Effect])
    case overviews([ThreadOverview])
    /// What was announced, and what became of it.
    case retention([RetentionReport])
    case taken(Bool)
    case verified(StoreCounts, [StoreDamage])
    case failed(StoreError.Kind)
}

extension ThreadSummary {
    var withoutBytes: ThreadSummary {
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
    var withoutBytes: PruneReport {
        PruneReport(thread: thread, removed: removed.withoutBytes, kept: kept, isHeld: isHeld)
    }
}

extension RetentionReport {
    var withoutBytes: RetentionReport {
        RetentionReport(thread: thread, outcome: outcome, removed: removed.withoutBytes, kept: kept)
    }
}

extension RowCounts {
    fileprivate var withoutBytes: RowCounts {
        RowCounts(checkpoints: checkpoints, blobs: blobs, writes: writes)
    }
}

extension SettingsOutcome {
    /// Of several pins that are not there a store names any.
    var withoutPlace: SettingsOutcome {
        if case .noCheckpoint = self { .noCheckpoint(CheckpointPlace(namespace: "", id: "")) } else { self }
    }
}

extension StoreCounts {
    /// A thread that has nothing but writes is counted by some stores.
    var withoutThreads: StoreCounts {
        StoreCounts(checkpoints: checkpoints, blobs: blobs, writes: writes)
    }
}

extension ThreadSizes {
    /// Only what the client gave.
    var asPut: ThreadSizes {
        var sizes = ThreadSizes()
        sizes.checkpoints = checkpoints.mapValues { Size(logical: $0.logical) }
        sizes.blobs = blobs.mapValues { Size(logical: $0.logical) }
        sizes.writes = writes.mapValues { Rows(count: $0.count, size: Size(logical: $0.size.logical)) }
        return sizes
    }
}

extension SimulatedAnswer {
    /// Without what followers were told.
    var untold: SimulatedAnswer {
        guard case .followed(let answers, _) = self else { return self }
        return .followed(answers.map(\.untold), [])
    }
}

extension [ThreadChange.Effect] {
    /// A sweep tells of each of its portions, of which a store makes as many as it likes; the last of a whole thread's is its
    /// deletion.
    var withoutPortions: [ThreadChange.Effect] {
        var effects: [ThreadChange.Effect] = []
        for effect in self where effect != .pruned || effects.last != .pruned {
            if effect == .deleted, effects.last == .pruned { effects.removeLast() }
            effects.append(effect)
        }
        return effects
    }
}
