package import Checkpoints
package import JSON

// Values for tests, with everything defaulted that a test does not care about.

extension JSONText: ExpressibleByStringLiteral {
    /// Stops when the literal is not JSON.
    package init(stringLiteral value: String) {
        do {
            try self.init(parsing: Array(value.utf8))
        } catch {
            preconditionFailure("not JSON: \(value): \(error)")
        }
    }
}

extension CheckpointKey {
    package static func sample(
        _ id: Identifier = "c1",
        thread: ThreadKey = ThreadKey("t1"),
        namespace: Identifier = ""
    ) -> CheckpointKey {
        CheckpointKey(thread: thread, namespace: namespace, id: id)
    }
}

extension Checkpoint {
    package static func sample(
        _ key: CheckpointKey = .sample(),
        parent: Identifier? = nil,
        document: JSONText = #"{"id":"c1"}"#,
        metadata: JSONText = "{}"
    ) -> Checkpoint {
        Checkpoint(key: key, parentID: parent, document: document, metadata: metadata)
    }
}

extension ChannelBlob {
    package static func sample(
        _ channel: Identifier,
        _ version: Identifier = "1",
        type: String = "msgpack",
        _ bytes: [UInt8]? = [1, 2, 3]
    ) -> ChannelBlob {
        ChannelBlob(channel: channel, version: version, type: type, bytes: bytes)
    }
}

extension PendingWrite {
    package static func sample(
        _ taskID: Identifier = "task",
        _ index: Int32 = 0,
        channel: Identifier = "messages",
        type: String? = "msgpack",
        _ bytes: [UInt8] = [1],
        path: Identifier = ""
    ) -> PendingWrite {
        PendingWrite(taskID: taskID, index: index, channel: channel, type: type, bytes: bytes, taskPath: path)
    }
}

extension CheckpointStore {
    /// What a list finds, without its blobs and writes.
    package func checkpoints(_ query: CheckpointQuery) async throws(StoreError) -> [Checkpoint] {
        try await list(query).tuples.map(\.checkpoint)
    }
}
