package import Checkpoints

/// Values are sealed by the caller and opened on the thread that the store answers on.
extension EncryptedStore: DirectStore where Base: DirectStore {
    package func put(
        _ checkpoint: Checkpoint,
        blobs: [ChannelBlob],
        expecting head: HeadExpectation,
        then answer: @escaping @Sendable (Result<PutOutcome, StoreError>) -> Void
    ) {
        let sealed: SealedPut
        do throws(StoreError) {
            sealed = try SealedPut(checkpoint, blobs, sealer(checkpoint.key.thread))
        } catch {
            return answer(.failure(error))
        }
        let key = checkpoint.key
        base.put(sealed.checkpoint, blobs: sealed.blobs, expecting: head) { result in
            guard case .success(let outcome) = result, sealed.mayBeRepeated(outcome) else { return answer(result) }
            tuple(in: key.thread, namespace: key.namespace, id: key.id, parts: []) { found in
                switch found {
                case .failure(let error): answer(.failure(error))
                case .success(let stored) where stored?.checkpoint == checkpoint:
                    base.put(sealed.checkpoint, blobs: sealed.blobs, expecting: .head(key.id), then: answer)
                case .success: answer(result)
                }
            }
        }
    }

    package func putWrites(
        _ groups: [WriteGroup],
        for checkpoint: CheckpointKey,
        then answer: @escaping @Sendable (Result<Void, StoreError>) -> Void
    ) {
        do throws(StoreError) {
            base.putWrites(try sealed(groups, for: checkpoint), for: checkpoint, then: answer)
        } catch {
            answer(.failure(error))
        }
    }

    package func tuple(
        in thread: ThreadKey,
        namespace: Identifier,
        id: Identifier?,
        parts: TupleParts,
        then answer: @escaping @Sendable (Result<CheckpointTuple?, StoreError>) -> Void
    ) {
        base.tuple(in: thread, namespace: namespace, id: id, parts: parts) { result in
            answer(result.flatMap { tuple in Result { () throws(StoreError) in try opened(tuple) } })
        }
    }

    package func list(
        _ query: CheckpointQuery,
        then answer: @escaping @Sendable (Result<CheckpointPage, StoreError>) -> Void
    ) {
        base.list(query) { result in
            answer(result.flatMap { page in Result { () throws(StoreError) in try opened(page) } })
        }
    }
}
