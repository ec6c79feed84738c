import Checkpoints
import JSON
import Synchronization

extension ThreadRow {
    func changingCheckpoint(_ change: (Checkpoint) -> (JSONText, JSONText)) -> ThreadRow {
        guard case .checkpoint(let checkpoint) = self else { return self }
        let (document, metadata) = change(checkpoint)
        return .checkpoint(
            Checkpoint(key: checkpoint.key, parentID: checkpoint.parentID, document: document, metadata: metadata))
    }

    func changingBlob(_ change: (inout ChannelBlob) -> Void) -> ThreadRow {
        guard case .blob(let namespace, var blob) = self else { return self }
        change(&blob)
        return .blob(namespace: namespace, blob)
    }

    func changingWrite(_ change: (inout PendingWrite) -> Void) -> ThreadRow {
        guard case .write(let namespace, let id, var write) = self else { return self }
        change(&write)
        return .write(namespace: namespace, checkpointID: id, write)
    }
}

/// A value that closures change.
final class Mutexed<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value { state.withLock { $0 } }

    func change(_ body: (inout Value) -> Void) { state.withLock { body(&$0) } }
}
