import JSON

/// The rules of `CheckpointStore` in the plainest code there is: the oracle of every test, and the store behind
/// `memory:`. Nothing outlives the process. Each call costs the size of the thread it touches.
package actor MemoryStore: CheckpointStore, StoreMaintenance {
    struct Row {
        var parentID: Identifier?
        var document: JSONText
        var metadata: JSONText
    }

    struct Place: Hashable, Comparable {
        let namespace: Identifier
        let id: Identifier

        static func < (left: Place, right: Place) -> Bool {
            left.namespace != right.namespace ? left.namespace < right.namespace : left.id < right.id
        }
    }

    struct BlobKey: Hashable {
        let namespace: Identifier
        let version: ChannelVersion
    }

    struct WriteKey: Hashable {
        let taskID: Identifier
        let index: Int32
    }

    struct Contents {
        var checkpoints: [Place: Row] = [:]
        var blobs: [BlobKey: ChannelBlob] = [:]
        var writes: [Place: [WriteKey: PendingWrite]] = [:]
    }

    private(set) var threads: [ThreadKey: Contents] = [:]
    private var isClosed = false

    package init() {}

    package func put(_ checkpoint: Checkpoint, blobs: [ChannelBlob]) throws(StoreError) {
        try checkOpen("put a checkpoint")
        let key = checkpoint.key
        let place = Place(namespace: key.namespace, id: key.id)
        let row = threads[key.thread]?.checkpoints[place]
        threads[key.thread, default: Contents()].checkpoints[place] = Row(
            parentID: row.map(\.parentID) ?? checkpoint.parentID,
            document: checkpoint.document,
            metadata: checkpoint.metadata
        )
        try addBlobs(blobs, namespace: key.namespace, to: key.thread)
    }

    func addBlobs(_ blobs: [ChannelBlob], namespace: Identifier, to thread: ThreadKey) throws(StoreError) {
        try checkOpen("put blobs")
        for blob in blobs {
            let version = ChannelVersion(channel: blob.channel, version: blob.version)
            let key = BlobKey(namespace: namespace, version: version)
            let stored = threads[thread]?.blobs[key]
            threads[thread, default: Contents()].blobs[key] = stored ?? blob
        }
    }

    package func putWrites(
        _ writes: [PendingWrite],
        for checkpoint: CheckpointKey,
        onConflict policy: WriteConflictPolicy
    ) throws(StoreError) {
        try checkOpen("put writes")
        guard !writes.isEmpty else { return }
        let place = Place(namespace: checkpoint.namespace, id: checkpoint.id)
        var stored = threads[checkpoint.thread]?.writes[place] ?? [:]
        for write in writes {
            let key = WriteKey(taskID: write.taskID, index: write.index)
            switch (stored[key], policy) {
            case (nil, _): stored[key] = write
            case (_, .keepFirst): break
            case (let first?, .replace):
                stored[key] = PendingWrite(
                    taskID: write.taskID,
                    index: write.index,
                    channel: write.channel,
                    type: write.type,
                    bytes: write.bytes,
                    taskPath: first.taskPath
                )
            }
        }
        threads[checkpoint.thread, default: Contents()].writes[place] = stored
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) throws(StoreError) -> CheckpointTuple? {
        try checkOpen("read a checkpoint")
        guard let contents = threads[thread] else { return nil }
        let newest = contents.checkpoints.keys.filter { $0.namespace == namespace }.map(\.id).max()
        guard let id = id ?? newest else { return nil }
        let place = Place(namespace: namespace, id: id)
        guard let row = contents.checkpoints[place] else { return nil }
        let versions: [ChannelVersion]
        do {
            versions = try ChannelVersion.all(in: row.document)
        } catch {
            throw StoreError(.corrupt, during: "read a checkpoint", detail: "its document is not JSON: \(error)")
        }
        return CheckpointTuple(
            checkpoint: checkpoint(at: place, in: thread, row),
            blobs: versions.compactMap { contents.blobs[BlobKey(namespace: namespace, version: $0)] },
            pendingWrites: (contents.writes[place] ?? [:]).values.sorted(by: PendingWrite.precedes)
        )
    }

    package func list(_ query: CheckpointQuery) throws(StoreError) -> [Checkpoint] {
        try checkOpen("list checkpoints")
        guard let contents = threads[query.thread] else { return [] }
        var places = contents.checkpoints.keys.filter { place in
            (query.namespace.map { place.namespace == $0 } ?? true) && (query.before.map { place.id < $0 } ?? true)
        }
        places.sort { left, right in
            left.id != right.id ? left.id > right.id : left.namespace > right.namespace
        }
        var found: [Checkpoint] = []
        for place in places where found.count < query.limit {
            guard let row = contents.checkpoints[place] else { continue }
            if let filter = query.metadataFilter, try !matches(row.metadata, filter) { continue }
            found.append(checkpoint(at: place, in: query.thread, row))
        }
        return found
    }

    package func deleteThread(_ thread: ThreadKey) throws(StoreError) {
        try checkOpen("delete a thread")
        threads[thread] = nil
    }

    package func probe() throws(StoreError) {
        try checkOpen("probe the store")
    }

    /// There is nothing that could be damaged: counts what there is.
    package func verify(_ report: @Sendable (VerifyProgress) -> Void) throws(StoreError) -> StoreVerification {
        try checkOpen("verify the store")
        var counts = StoreCounts(threads: threads.count)
        for contents in threads.values {
            counts.checkpoints += contents.checkpoints.count
            counts.blobs += contents.blobs.count
            counts.writes += contents.writes.values.reduce(0) { $0 + $1.count }
        }
        report(VerifyProgress(checked: counts, fraction: 1, damageCount: 0))
        return StoreVerification(checked: counts, damage: [])
    }

    package func close() {
        isClosed = true
        threads = [:]
    }

    func checkOpen(_ operation: String) throws(StoreError) {
        if isClosed { throw StoreError(.closed, during: operation) }
    }

    func checkpoint(at place: Place, in thread: ThreadKey, _ row: Row) -> Checkpoint {
        Checkpoint(
            key: CheckpointKey(thread: thread, namespace: place.namespace, id: place.id),
            parentID: row.parentID,
            document: row.document,
            metadata: row.metadata
        )
    }

    private func matches(_ metadata: JSONText, _ filter: JSONValue) throws(StoreError) -> Bool {
        do {
            return try metadata.value.contains(filter)
        } catch {
            throw StoreError(.corrupt, during: "list checkpoints", detail: "metadata is not JSON: \(error)")
        }
    }
}
