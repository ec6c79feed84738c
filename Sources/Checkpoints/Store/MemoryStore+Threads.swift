import JSON

extension MemoryStore {
    package func threads(
        of tenant: Tenant,
        after last: Identifier?,
        limit: Int
    ) throws(StoreError) -> [ThreadSummary] {
        try checkOpen("list threads")
        let keys = threads.keys.filter { key in key.tenant == tenant && (last.map { key.id > $0 } ?? true) }
        var summaries: [ThreadSummary] = []
        for key in keys.sorted() where summaries.count < limit {
            if let summary = try summary(of: key) { summaries.append(summary) }
        }
        return summaries
    }

    package func summary(of thread: ThreadKey) throws(StoreError) -> ThreadSummary? {
        try checkOpen("read a thread")
        guard let contents = threads[thread] else { return nil }
        let namespaces = Set(contents.checkpoints.keys.map(\.namespace))
            .union(contents.blobs.keys.map(\.namespace))
            .union(contents.writes.keys.map(\.namespace))
        return ThreadSummary(
            thread: thread,
            namespaces: namespaces.map { namespace in
                let steps = contents.checkpoints.filter { $0.key.namespace == namespace }.sorted { $0.key < $1.key }
                return NamespaceSummary(
                    namespace: namespace,
                    first: steps.first.map { .init(id: $0.key.id, document: $0.value.document) },
                    head: steps.last.map { .init(id: $0.key.id, document: $0.value.document) },
                    counts: contents.counts(
                        Set(contents.checkpoints.keys).union(contents.writes.keys).filter { $0.namespace == namespace },
                        Set(contents.blobs.keys.filter { $0.namespace == namespace })
                    )
                )
            }
        )
    }

    package func sizes(of thread: ThreadKey) throws(StoreError) -> ThreadSizes? {
        try checkOpen("measure a thread")
        return threads[thread]?.sizes.unlessEmpty
    }

    package func copyThread(_ source: ThreadKey, to target: Identifier) throws(StoreError) -> CopyOutcome {
        try checkOpen("copy a thread")
        let target = ThreadKey(target, tenant: source.tenant)
        return target == source ? .done : try rewrite(source, as: target) { $0 }
    }

    package func deleteRuns(_ runs: Set<Identifier>, of tenant: Tenant) throws(StoreError) {
        try checkOpen("delete runs")
        let found = threads.filter { thread, contents in
            thread.tenant == tenant
                && contents.checkpoints.values.contains { $0.metadata.runID.map(runs.contains) ?? false }
        }
        for thread in found.keys { try requireFree(thread, "delete runs") }
        for (thread, contents) in found {
            let plan = try PrunePlan(
                deletingRuns: runs,
                of: contents.outline(of: thread),
                pins: settings[thread]?.pins ?? [],
                isSnapshot: contents.isSnapshot
            )
            remove(plan, from: thread)
        }
    }

    package func prune(
        _ thread: ThreadKey,
        _ strategy: PruneStrategy,
        isDryRun: Bool
    ) throws(StoreError) -> PruneReport {
        try checkOpen("prune a thread")
        guard let contents = threads[thread] else { return PruneReport(thread: thread) }
        if settings[thread]?.isHeld == true {
            return PruneReport(thread: thread, kept: contents.checkpoints.count, isHeld: true)
        }
        let plan = try PrunePlan(
            strategy,
            of: contents.outline(of: thread),
            pins: settings[thread]?.pins ?? [],
            isSnapshot: contents.isSnapshot
        )
        if !isDryRun { remove(plan, from: thread) }
        return PruneReport(
            thread: thread, removed: contents.counts(plan.deleted, plan.blobs), kept: plan.keptCount)
    }

    func remove(_ plan: PrunePlan, from thread: ThreadKey) {
        guard var contents = threads[thread] else { return }
        for place in plan.deleted {
            contents.checkpoints[place] = nil
            contents.writes[place] = nil
        }
        for place in plan.orphaned { contents.checkpoints[place]?.parentID = nil }
        for key in plan.blobs { contents.blobs[key] = nil }
        let isEmpty = contents.checkpoints.isEmpty && contents.blobs.isEmpty && contents.writes.isEmpty
        threads[thread] = contents
        if isEmpty {
            remove(thread)
        } else if !plan.deleted.isEmpty || !plan.blobs.isEmpty {
            publish(thread) { ThreadChange(thread, .pruned) }
        }
    }

    /// With what is set for it.
    func remove(_ thread: ThreadKey) {
        threads[thread] = nil
        settings[thread] = nil
        publish(thread) { ThreadChange(thread, .deleted) }
    }

    func requireFree(_ thread: ThreadKey, _ operation: String) throws(StoreError) {
        if settings[thread]?.isHeld == true { throw StoreError(.held, during: operation) }
    }
}

extension MemoryStore.Contents {
    func outline(of thread: ThreadKey) -> ThreadOutline {
        var outline = ThreadOutline()
        for (place, row) in checkpoints {
            let key = CheckpointKey(thread: thread, namespace: place.namespace, id: place.id)
            outline.checkpoints.append(
                CheckpointOutline(
                    Checkpoint(key: key, parentID: row.parentID, document: row.document, metadata: row.metadata)
                )
            )
        }
        outline.blobs = blobs.mapValues(\.hasValue)
        outline.writtenChannels = writes.mapValues { Set($0.values.map(\.channel)) }
        return outline
    }

    func isSnapshot(_ key: ThreadOutline.BlobKey) -> Bool {
        guard let blob = blobs[key] else { return false }
        return ChannelBlob.isDeltaSnapshot(type: blob.type, start: blob.bytes ?? [])
    }

    /// Nothing is compressed.
    var sizes: ThreadSizes {
        func size(_ count: Int) -> ThreadSizes.Size { ThreadSizes.Size(logical: count, stored: count) }
        var sizes = ThreadSizes()
        sizes.checkpoints = checkpoints.mapValues { size($0.document.bytes.count + $0.metadata.bytes.count) }
        sizes.blobs = blobs.mapValues { size($0.bytes?.count ?? 0) }
        sizes.writes = writes.mapValues { writes in
            ThreadSizes.Rows(count: writes.count, size: size(writes.values.reduce(0) { $0 + $1.bytes.count }))
        }
        return sizes
    }

    /// What rows come to.
    func counts(_ places: Set<CheckpointPlace>, _ keys: Set<ThreadOutline.BlobKey>) -> RowCounts {
        var counts = RowCounts(blobs: keys.count)
        for place in places {
            if let row = checkpoints[place] {
                counts.checkpoints += 1
                counts.bytes += row.document.bytes.count + row.metadata.bytes.count
            }
            for write in (writes[place] ?? [:]).values {
                counts.writes += 1
                counts.bytes += write.bytes.count
            }
        }
        for key in keys { counts.bytes += blobs[key]?.bytes?.count ?? 0 }
        return counts
    }
}
