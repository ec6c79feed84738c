extension MemoryStore: SealableStore {
    package func encryptionState() throws(StoreError) -> EncryptionState {
        try checkOpen("read the store's mark")
        return encryption
    }

    package func setEncryptionState(_ state: EncryptionState) throws(StoreOpenError) {
        encryption = state
    }

    package func rewrite(
        _ source: ThreadKey,
        as target: ThreadKey,
        _ transform: @escaping @Sendable (ThreadRow) throws(StoreError) -> ThreadRow
    ) throws(StoreError) -> CopyOutcome {
        try checkOpen("rewrite a thread")
        guard let contents = threads[source] else { return .done }
        if target != source, let existing = threads[target] {
            let isRepeated =
                !contents.checkpoints.isEmpty
                && Set(existing.checkpoints.keys).isSuperset(of: contents.checkpoints.keys)
            return isRepeated ? .done : .targetExists
        }
        threads[target] = try contents.rewritten(from: source, transform)
        if target != source { publish(target) { ThreadChange(target, .replaced) } }
        return .done
    }
}

extension MemoryStore.Contents {
    fileprivate func rewritten(
        from thread: ThreadKey,
        _ transform: (ThreadRow) throws(StoreError) -> ThreadRow
    ) throws(StoreError) -> MemoryStore.Contents {
        var result = self
        for (key, blob) in blobs {
            guard case .blob(_, let changed) = try transform(.blob(namespace: key.namespace, blob)) else { continue }
            result.blobs[key] = changed
        }
        for (place, writes) in writes {
            for (key, write) in writes {
                let row = ThreadRow.write(namespace: place.namespace, checkpointID: place.id, write)
                guard case .write(_, _, let changed) = try transform(row) else { continue }
                result.writes[place]?[key] = changed
            }
        }
        for (place, row) in checkpoints {
            let key = CheckpointKey(thread: thread, namespace: place.namespace, id: place.id)
            let checkpoint = Checkpoint(
                key: key, parentID: row.parentID, document: row.document, metadata: row.metadata)
            guard case .checkpoint(let changed) = try transform(.checkpoint(checkpoint)) else { continue }
            result.checkpoints[place] = MemoryStore.Row(
                parentID: changed.parentID, document: changed.document, metadata: changed.metadata)
        }
        return result
    }
}
