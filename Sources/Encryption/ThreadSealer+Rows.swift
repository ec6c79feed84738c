import Checkpoints
import JSON

extension ThreadSealer {
    // MARK: - Sealing

    func seal(_ blob: ChannelBlob, _ namespace: Identifier) throws(StoreError) -> ChannelBlob {
        // A channel without a value has nothing to hide, and stores tell it by that.
        guard let bytes = blob.bytes else { return blob }
        var sealed = blob
        sealed.bytes = try seal(
            bytes,
            at: place(of: blob, namespace),
            isSnapshot: ChannelBlob.isDeltaSnapshot(type: blob.type, start: bytes)
        )
        return sealed
    }

    func seal(_ write: PendingWrite, _ checkpoint: CheckpointPlace) throws(StoreError) -> PendingWrite {
        var sealed = write
        sealed.bytes = try seal(write.bytes, at: place(of: write, checkpoint))
        return sealed
    }

    /// Also moves it to this thread.
    func seal(_ checkpoint: Checkpoint) throws(StoreError) -> Checkpoint {
        let clear: [UInt8]
        do {
            clear = try SealedDocument.clear(of: checkpoint.document)
        } catch {
            throw StoreError(.corrupt, during: "encrypt a checkpoint", detail: "its document is not JSON: \(error)")
        }
        let place = SealedPlace.checkpoint(
            namespace: checkpoint.key.namespace,
            id: checkpoint.key.id,
            metadata: checkpoint.metadata.bytes,
            clear: clear[...]
        )
        let sealed = try seal(checkpoint.document.bytes, at: place)
        return checkpoint.with(document: SealedDocument.text(clear: clear, sealed: sealed), in: thread)
    }

    func seal(_ row: ThreadRow) throws(StoreError) -> ThreadRow {
        switch row {
        case .blob(let namespace, let blob): return .blob(namespace: namespace, try seal(blob, namespace))
        case .write(let namespace, let id, let write):
            let place = CheckpointPlace(namespace: namespace, id: id)
            return .write(namespace: namespace, checkpointID: id, try seal(write, place))
        case .checkpoint(let checkpoint): return .checkpoint(try seal(checkpoint))
        }
    }

    // MARK: - Opening

    func open(_ blob: ChannelBlob, _ namespace: Identifier) throws(StoreError) -> ChannelBlob {
        guard let bytes = blob.bytes else { return blob }
        var opened = blob
        opened.bytes = try open(bytes, at: place(of: blob, namespace))
        return opened
    }

    func open(_ write: PendingWrite, _ checkpoint: CheckpointPlace) throws(StoreError) -> PendingWrite {
        var opened = write
        opened.bytes = try open(write.bytes, at: place(of: write, checkpoint))
        return opened
    }

    func open(_ checkpoint: Checkpoint) throws(StoreError) -> Checkpoint {
        func place(_ clear: ArraySlice<UInt8>) -> SealedPlace {
            .checkpoint(
                namespace: checkpoint.key.namespace,
                id: checkpoint.key.id,
                metadata: checkpoint.metadata.bytes,
                clear: clear
            )
        }
        guard let parts = SealedDocument.parts(of: checkpoint.document) else {
            if SealedDocument.isMarked(checkpoint.document) { throw damaged(place([])) }
            if acceptsPlaintext { return checkpoint }
            throw notSealed(place([]))
        }
        // What stands in place of an envelope is never plaintext that may pass.
        guard SealedValue.isSealed(parts.sealed) else { throw damaged(place([])) }
        let document = try open(parts.sealed, at: place(parts.clear))
        return checkpoint.with(document: JSONText(trusted: document), in: thread)
    }

    func open(_ row: ThreadRow) throws(StoreError) -> ThreadRow {
        switch row {
        case .blob(let namespace, let blob): return .blob(namespace: namespace, try open(blob, namespace))
        case .write(let namespace, let id, let write):
            let place = CheckpointPlace(namespace: namespace, id: id)
            return .write(namespace: namespace, checkpointID: id, try open(write, place))
        case .checkpoint(let checkpoint): return .checkpoint(try open(checkpoint))
        }
    }

    /// Opens a tuple, and makes sure that its blobs are those that the document names.
    ///
    /// The store found them by what stands in clear. One that is missing cannot be told from one that was never put.
    func open(_ tuple: CheckpointTuple) throws(StoreError) -> CheckpointTuple {
        let checkpoint = try open(tuple.checkpoint)
        let place = CheckpointPlace(namespace: checkpoint.key.namespace, id: checkpoint.key.id)
        let parent = CheckpointPlace(namespace: place.namespace, id: checkpoint.parentID ?? "")
        try check(tuple.blobs, namedBy: checkpoint)
        return CheckpointTuple(
            checkpoint: checkpoint,
            blobs: try tuple.blobs.map { blob throws(StoreError) in try open(blob, place.namespace) },
            pendingWrites: try tuple.pendingWrites.map { write throws(StoreError) in try open(write, place) },
            parentSends: try tuple.parentSends.map { write throws(StoreError) in try open(write, parent) }
        )
    }

    private func check(_ blobs: [ChannelBlob], namedBy checkpoint: Checkpoint) throws(StoreError) {
        guard !blobs.isEmpty else { return }
        do {
            let named = Set(try ChannelVersion.all(in: checkpoint.document))
            let isNamed = blobs.allSatisfy {
                named.contains(ChannelVersion(channel: $0.channel, version: $0.version))
            }
            if isNamed { return }
        } catch {
            // Said below: it was JSON when it was encrypted.
        }
        throw StoreError(
            .corrupt,
            during: "decrypt a checkpoint",
            detail: "the store has other versions of its channels than its document; restore it from a backup"
        )
    }

    // MARK: - Places

    private func place(of blob: ChannelBlob, _ namespace: Identifier) -> SealedPlace {
        .blob(namespace: namespace, channel: blob.channel, version: blob.version, type: blob.type)
    }

    private func place(of write: PendingWrite, _ checkpoint: CheckpointPlace) -> SealedPlace {
        .write(
            namespace: checkpoint.namespace,
            checkpointID: checkpoint.id,
            task: write.taskID,
            index: write.index,
            channel: write.channel,
            type: write.type
        )
    }

    /// Whether a row is sealed with the first key, or has nothing to seal.
    func isCurrent(_ row: ThreadRow) -> Bool {
        switch row {
        case .blob(_, let blob): blob.bytes.map(isCurrent) ?? true
        case .write(_, _, let write): isCurrent(write.bytes)
        case .checkpoint(let checkpoint):
            SealedDocument.parts(of: checkpoint.document).map { isCurrent($0.sealed) } ?? false
        }
    }

    /// Whether a row is in clear.
    func isClear(_ row: ThreadRow) -> Bool {
        switch row {
        case .blob(_, let blob): blob.bytes.map { !SealedValue.isSealed($0) } ?? true
        case .write(_, _, let write): !SealedValue.isSealed(write.bytes)
        case .checkpoint(let checkpoint): SealedDocument.parts(of: checkpoint.document) == nil
        }
    }
}

extension Checkpoint {
    fileprivate func with(document: JSONText, in thread: ThreadKey) -> Checkpoint {
        Checkpoint(
            key: CheckpointKey(thread: thread, namespace: key.namespace, id: key.id),
            parentID: parentID,
            document: document,
            metadata: metadata
        )
    }
}
