import JSON

/// The rules of `CheckpointStore` in the plainest code there is: the oracle of every test, and the store behind
/// `memory:`. Nothing outlives the process. Each call costs the size of the thread it touches.
package actor MemoryStore: RetainingStore, StoreMaintenance {
    struct Row {
        var parentID: Identifier?
        var document: JSONText
        var metadata: JSONText
    }

    typealias Place = CheckpointPlace
    typealias BlobKey = ThreadOutline.BlobKey

    struct WriteKey: Hashable {
        let taskID: Identifier
        let index: Int32
    }

    struct Contents {
        var checkpoints: [Place: Row] = [:]
        var blobs: [BlobKey: ChannelBlob] = [:]
        var writes: [Place: [WriteKey: PendingWrite]] = [:]
    }

    var threads: [ThreadKey: Contents] = [:]
    var settings: [ThreadKey: ThreadSettings] = [:]
    var encryption = EncryptionState.clear
    private var isClosed = false
    let feed = ChangeFeed()

    package init() {}

    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting expected: HeadExpectation
    ) throws(StoreError) -> PutOutcome {
        try checkOpen("put a checkpoint")
        let key = checkpoint.key
        let head = head(of: key.namespace, in: key.thread)
        guard expected.allows(checkpoint, head: head) else { return .refused(head: head?.key.id) }
        addCheckpoint(checkpoint)
        try addBlobs(blobs, namespace: key.namespace, to: key.thread)
        publish(key.thread) { ThreadChange(checkpoint) }
        return .stored
    }

    func addCheckpoint(_ checkpoint: Checkpoint) {
        let key = checkpoint.key
        let place = Place(namespace: key.namespace, id: key.id)
        let row = threads[key.thread]?.checkpoints[place]
        threads[key.thread, default: Contents()].checkpoints[place] = Row(
            parentID: row.map(\.parentID) ?? checkpoint.parentID,
            document: checkpoint.document,
            metadata: checkpoint.metadata
        )
    }

    private func head(of namespace: Identifier, in thread: ThreadKey) -> Checkpoint? {
        let checkpoints = threads[thread]?.checkpoints.filter { $0.key.namespace == namespace } ?? [:]
        return checkpoints.max { $0.key < $1.key }.map { checkpoint(at: $0.key, in: thread, $0.value) }
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

    package func putWrites(_ groups: [WriteGroup], for checkpoint: CheckpointKey) throws(StoreError) {
        for group in groups { try addWrites(group.writes, for: checkpoint, onConflict: group.policy) }
        if groups.contains(where: { !$0.writes.isEmpty }) {
            publish(checkpoint.thread) { ThreadChange(groups, for: checkpoint) }
        }
    }

    func addWrites(
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
        id: Identifier?,
        parts: TupleParts
    ) throws(StoreError) -> CheckpointTuple? {
        try checkOpen("read a checkpoint")
        guard let id = id ?? head(of: namespace, in: thread)?.key.id else { return nil }
        let place = Place(namespace: namespace, id: id)
        guard let row = threads[thread]?.checkpoints[place] else { return nil }
        return try tuple(checkpoint(at: place, in: thread, row), parts)
    }

    private func tuple(_ checkpoint: Checkpoint, _ parts: TupleParts) throws(StoreError) -> CheckpointTuple {
        let key = checkpoint.key
        let place = Place(namespace: key.namespace, id: key.id)
        var blobs: [ChannelBlob] = []
        if parts.contains(.blobs) {
            blobs = try versions(in: checkpoint.document).compactMap { version in
                threads[key.thread]?.blobs[BlobKey(namespace: key.namespace, version: version)]
            }
        }
        var sends: [PendingWrite] = []
        if parts.contains(.parentSends), checkpoint.sendsAreInParent, let parentID = checkpoint.parentID {
            let parent = Place(namespace: key.namespace, id: parentID)
            sends = writes(at: parent, in: key.thread).filter { $0.channel == .sendsChannel }
        }
        return CheckpointTuple(
            checkpoint: checkpoint,
            blobs: blobs,
            pendingWrites: parts.contains(.pendingWrites) ? writes(at: place, in: key.thread) : [],
            parentSends: sends
        )
    }

    func writes(at place: Place, in thread: ThreadKey) -> [PendingWrite] {
        (threads[thread]?.writes[place] ?? [:]).values.sorted(by: PendingWrite.precedes)
    }

    private func versions(in document: JSONText) throws(StoreError) -> [ChannelVersion] {
        do {
            return try ChannelVersion.all(in: document)
        } catch {
            throw StoreError(.corrupt, during: "read a checkpoint", detail: "its document is not JSON: \(error)")
        }
    }

    package func list(_ query: CheckpointQuery) throws(StoreError) -> CheckpointPage {
        try checkOpen("list checkpoints")
        var found: [CheckpointTuple] = []
        var bytes = 0
        for checkpoint in checkpoints(in: query.scope) where found.count < query.limit {
            let key = checkpoint.key
            if let namespace = query.namespace, key.namespace != namespace { continue }
            if let id = query.id, key.id != id { continue }
            if let before = query.before, key.id >= before { continue }
            if let after = query.after, ListPlace(key) >= after { continue }
            if let filter = query.metadataFilter, try !matches(checkpoint.metadata, filter) { continue }
            let tuple = try tuple(checkpoint, query.parts)
            found.append(tuple)
            bytes += tuple.partBytes
            if bytes >= CheckpointQuery.pagePartBytes { break }
        }
        return CheckpointPage(found, of: query, isCut: bytes >= CheckpointQuery.pagePartBytes)
    }

    /// In the order of a list.
    private func checkpoints(in scope: CheckpointQuery.Scope) -> [Checkpoint] {
        let keys: [ThreadKey]
        switch scope {
        case .thread(let thread): keys = [thread]
        case .tenant(let tenant): keys = threads.keys.filter { $0.tenant == tenant }
        }
        let all = keys.flatMap { thread in
            (threads[thread]?.checkpoints ?? [:]).map { checkpoint(at: $0.key, in: thread, $0.value) }
        }
        return all.sorted { ListPlace($0.key) > ListPlace($1.key) }
    }

    package func history(
        of channels: [Identifier],
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) throws(StoreError) -> [ChannelHistory] {
        let target = try tuple(in: thread, namespace: namespace, id: id, parts: [])?.checkpoint
        var walk = AncestorWalk(channels, from: target)
        while let next = walk.next,
            let ancestor = try tuple(in: thread, namespace: namespace, id: next, parts: .tuple)
        {
            try walk.add(ancestor)
        }
        return walk.histories
    }

    package func deleteThread(_ thread: ThreadKey) throws(StoreError) {
        try checkOpen("delete a thread")
        try requireFree(thread, "delete a thread")
        remove(thread)
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
        settings = [:]
    }

    package func follow(
        _ thread: ThreadKey,
        _ receive: @escaping @Sendable (ThreadChange) -> Void
    ) throws(StoreError) -> ThreadFollower {
        try checkOpen("follow a thread")
        return feed.follow(thread, receive)
    }

    /// Makes the change only where somebody is told of it.
    func publish(_ thread: ThreadKey, _ change: () -> ThreadChange) {
        if feed.isFollowed(thread) { feed.publish([change()]) }
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
