import Checkpoints
import JSON

/// How long the values of a thread are that were opened.
struct OpenedSizes: Sendable {
    private var checkpoints: [CheckpointPlace: Int] = [:]
    private var blobs: [ThreadOutline.BlobKey: Int] = [:]
    private var writes: [CheckpointPlace: Int] = [:]

    mutating func add(_ row: ThreadRow) {
        switch row {
        case .blob(let namespace, let blob):
            let version = ChannelVersion(channel: blob.channel, version: blob.version)
            blobs[ThreadOutline.BlobKey(namespace: namespace, version: version)] = blob.bytes?.count ?? 0
        case .write(let namespace, let id, let write):
            writes[CheckpointPlace(namespace: namespace, id: id), default: 0] += write.bytes.count
        case .checkpoint(let checkpoint):
            let place = CheckpointPlace(namespace: checkpoint.key.namespace, id: checkpoint.key.id)
            checkpoints[place] = checkpoint.document.bytes.count + checkpoint.metadata.bytes.count
        }
    }

    /// What the store below has measured, with the lengths of what was opened.
    func applied(to sizes: ThreadSizes) -> ThreadSizes {
        var result = sizes
        for (place, count) in checkpoints { result.checkpoints[place]?.logical = count }
        for (key, count) in blobs { result.blobs[key]?.logical = count }
        for (place, count) in writes { result.writes[place]?.size.logical = count }
        return result
    }
}
