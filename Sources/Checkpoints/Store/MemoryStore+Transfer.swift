extension MemoryStore: ThreadTransfer {
    package func threads(after last: ThreadKey?, limit: Int) throws(StoreError) -> [ThreadKey] {
        try checkOpen("list threads")
        return Array(threads.keys.filter { key in last.map { $0 < key } ?? true }.sorted().prefix(limit))
    }

    package func rows(
        of thread: ThreadKey,
        _ body: @escaping @Sendable (ThreadRow) throws(StoreError) -> Void
    ) throws(StoreError) {
        try checkOpen("read a thread")
        guard let contents = threads[thread] else { return }
        let blobs = contents.blobs.sorted { left, right in
            let (left, right) = (left.key, right.key)
            if left.namespace != right.namespace { return left.namespace < right.namespace }
            if left.version.channel != right.version.channel { return left.version.channel < right.version.channel }
            return left.version.version < right.version.version
        }
        for (key, blob) in blobs {
            try body(.blob(namespace: key.namespace, blob))
        }
        for (place, writes) in contents.writes.sorted(by: { $0.key < $1.key }) {
            let ordered = writes.values.sorted { left, right in
                left.taskID != right.taskID ? left.taskID < right.taskID : left.index < right.index
            }
            for write in ordered {
                try body(.write(namespace: place.namespace, checkpointID: place.id, write))
            }
        }
        for (place, row) in contents.checkpoints.sorted(by: { $0.key < $1.key }) {
            try body(.checkpoint(checkpoint(at: place, in: thread, row)))
        }
    }

    package func add(_ rows: [ThreadRow], to thread: ThreadKey) throws(StoreError) {
        try checkOpen("add rows to a thread")
        for row in rows {
            switch row {
            case .blob(let namespace, let blob):
                try addBlobs([blob], namespace: namespace, to: thread)
            case .write(let namespace, let checkpointID, let write):
                let key = CheckpointKey(thread: thread, namespace: namespace, id: checkpointID)
                try addWrites([write], for: key, onConflict: .keepFirst)
            case .checkpoint(let checkpoint):
                addCheckpoint(checkpoint)
            }
        }
        if !rows.isEmpty { publish(thread) { ThreadChange(thread, .replaced) } }
    }
}
