package import Checkpoints

/// A store whose values are encrypted before they reach the one below, and authenticated when they come back.
///
/// Documents, blobs and writes are sealed with AES-256-GCM, each bound to its row (`SealedPlace`). Ids, names of channels,
/// versions, types, metadata, a document's `v`, `ts` and `channel_versions`, and all sizes stay in clear; of these, what a
/// tuple has is authenticated with its values, but for a checkpoint's parent and a write's task path. Rows that are missing, or
/// are older ones of the same key, cannot be told.
///
/// What cannot be opened is an error, never a value.
package struct EncryptedStore<Base: SealableStore>: RetainingStore {
    let base: Base
    let keys: EncryptionKeys
    /// Whether what is in clear is taken as it is: while a store is being rekeyed.
    let acceptsPlaintext: Bool

    package init(_ base: Base, keys: EncryptionKeys, acceptsPlaintext: Bool = false) {
        self.base = base
        self.keys = keys
        self.acceptsPlaintext = acceptsPlaintext
    }

    func sealer(_ thread: ThreadKey) -> ThreadSealer {
        ThreadSealer(thread, keys, acceptsPlaintext: acceptsPlaintext)
    }

    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation
    ) async throws(StoreError) -> PutOutcome {
        let sealed = try SealedPut(checkpoint, blobs, sealer(checkpoint.key.thread))
        let outcome = try await base.put(sealed.checkpoint, blobs: sealed.blobs, expecting: head)
        guard sealed.mayBeRepeated(outcome) else { return outcome }
        let key = checkpoint.key
        let stored = try await tuple(in: key.thread, namespace: key.namespace, id: key.id, parts: [])
        guard stored?.checkpoint == checkpoint else { return outcome }
        return try await base.put(sealed.checkpoint, blobs: sealed.blobs, expecting: .head(key.id))
    }

    package func putWrites(_ groups: [WriteGroup], for checkpoint: CheckpointKey) async throws(StoreError) {
        try await base.putWrites(sealed(groups, for: checkpoint), for: checkpoint)
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts
    ) async throws(StoreError) -> CheckpointTuple? {
        try opened(await base.tuple(in: thread, namespace: namespace, id: id, parts: parts))
    }

    package func list(_ query: CheckpointQuery) async throws(StoreError) -> CheckpointPage {
        try opened(await base.list(query))
    }

    package func deleteThread(_ thread: ThreadKey) async throws(StoreError) {
        try await base.deleteThread(thread)
    }

    /// Reads one ancestor after the other, because the store below forgets which checkpoint a write belongs to.
    ///
    /// That is more than one snapshot: what is pruned or deleted meanwhile takes the target along, and then there is no such
    /// checkpoint.
    package func history(
        of channels: [Identifier],
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?
    ) async throws(StoreError) -> [ChannelHistory] {
        let target = try await tuple(in: thread, namespace: namespace, id: id, parts: [])?.checkpoint
        var walk = AncestorWalk(channels, from: target)
        while let next = walk.next,
            let ancestor = try await tuple(in: thread, namespace: namespace, id: next, parts: .tuple)
        {
            try walk.add(ancestor)
        }
        guard let target, try await base.tuple(in: thread, namespace: namespace, id: target.key.id, parts: []) != nil
        else { return AncestorWalk(channels, from: nil).histories }
        return walk.histories
    }
}

/// A put as the store below gets it.
struct SealedPut: Sendable {
    let checkpoint: Checkpoint
    let blobs: [ChannelBlob]

    init(_ checkpoint: Checkpoint, _ blobs: [ChannelBlob], _ sealer: ThreadSealer) throws(StoreError) {
        let namespace = checkpoint.key.namespace
        self.checkpoint = try sealer.seal(checkpoint)
        self.blobs = try blobs.map { blob throws(StoreError) in try sealer.seal(blob, namespace) }
    }

    /// Whether it was refused because of itself: what comes again is sealed anew, and so looks like another to the store.
    func mayBeRepeated(_ outcome: PutOutcome) -> Bool {
        outcome == .refused(head: checkpoint.key.id)
    }
}

extension EncryptedStore {
    func sealed(_ groups: [WriteGroup], for checkpoint: CheckpointKey) throws(StoreError) -> [WriteGroup] {
        let sealer = sealer(checkpoint.thread)
        let place = CheckpointPlace(namespace: checkpoint.namespace, id: checkpoint.id)
        return try groups.map { group throws(StoreError) in
            let writes = try group.writes.map { write throws(StoreError) in try sealer.seal(write, place) }
            return WriteGroup(writes, onConflict: group.policy)
        }
    }

    func opened(_ tuple: CheckpointTuple?) throws(StoreError) -> CheckpointTuple? {
        guard let tuple else { return nil }
        return try sealer(tuple.checkpoint.key.thread).open(tuple)
    }

    /// Ends the page sooner where values have become many bytes: the store below has counted them as they are sealed.
    func opened(_ page: CheckpointPage) throws(StoreError) -> CheckpointPage {
        var sealer: ThreadSealer?
        var bytes = 0
        var tuples: [CheckpointTuple] = []
        tuples.reserveCapacity(page.tuples.count)
        for tuple in page.tuples {
            let thread = tuple.checkpoint.key.thread
            let own = sealer?.thread == thread ? sealer ?? self.sealer(thread) : self.sealer(thread)
            sealer = own
            let opened = try own.open(tuple)
            tuples.append(opened)
            bytes += opened.partBytes
            guard bytes < CheckpointQuery.pagePartBytes else {
                return CheckpointPage(tuples: tuples, next: ListPlace(opened.checkpoint.key))
            }
        }
        return CheckpointPage(tuples: tuples, next: page.next)
    }
}
