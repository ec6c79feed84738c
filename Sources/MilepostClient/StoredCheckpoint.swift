package import JSON

/// A checkpoint, with the parts of it that were asked for.
public struct StoredCheckpoint: Sendable {
    /// The serialised value of a channel; what the bytes are is for LangGraph to say.
    public struct Blob: Sendable, Equatable {
        public let channel: String
        public let version: String
        /// The serde's tag, such as `msgpack`; `empty` for a channel without a value.
        public let type: String
        public let bytes: [UInt8]?
    }

    /// What a task wrote after this checkpoint.
    public struct Write: Sendable, Equatable {
        public let taskID: String
        /// The place within the task; below zero for LangGraph's own channels.
        public let index: Int
        public let channel: String
        public let type: String?
        public let bytes: [UInt8]
        /// Nil unless it was asked for.
        public let taskPath: String?
    }

    /// What a list leaves out unless it is asked for.
    public enum Part: String, Sendable, CaseIterable {
        case blobs
        case pendingWrites = "pending_writes"
        case taskPath = "task_path"
    }

    public let threadID: String
    /// Empty for the root.
    public let namespace: String
    public let id: String
    public let parentID: String?
    /// The document: versions, and the values that JSON has a form for.
    package let document: JSONValue
    package let metadata: JSONValue
    public let blobs: [Blob]
    public let pendingWrites: [Write]

    /// The document as JSON text.
    public var documentText: String { String(decoding: document.text.bytes, as: UTF8.self) }

    /// The metadata as JSON text.
    public var metadataText: String { String(decoding: metadata.text.bytes, as: UTF8.self) }
}

extension StoredCheckpoint {
    /// From an element of the server's list, or its answer to get-tuple.
    package init(_ json: JSONValue) throws(MilepostClientError) {
        threadID = try json.text("thread_id")
        namespace = try json.text("checkpoint_ns")
        id = try json.text("checkpoint_id")
        parentID = json["parent_checkpoint_id"]?.string
        guard let document = json["checkpoint"] else { throw .missing("checkpoint") }
        self.document = document
        metadata = json["metadata"] ?? [:]
        var blobs: [Blob] = []
        for blob in json["blobs"] == nil ? [] : try json.elements("blobs") {
            blobs.append(try Blob(blob))
        }
        self.blobs = blobs
        var writes: [Write] = []
        for write in json["pending_writes"] == nil ? [] : try json.elements("pending_writes") {
            writes.append(try Write(write))
        }
        pendingWrites = writes
    }
}

extension StoredCheckpoint.Blob {
    init(_ json: JSONValue) throws(MilepostClientError) {
        channel = try json.text("channel")
        version = try json.text("version")
        type = try json.text("type")
        bytes = json["blob"] == .null ? nil : try json.base64("blob")
    }
}

extension StoredCheckpoint.Write {
    init(_ json: JSONValue) throws(MilepostClientError) {
        taskID = try json.text("task_id")
        index = try json.count("idx")
        channel = try json.text("channel")
        type = json["type"]?.string
        bytes = try json.base64("blob")
        taskPath = json["task_path"]?.string
    }
}

extension JSONValue {
    fileprivate func base64(_ name: String) throws(MilepostClientError) -> [UInt8] {
        guard case .string(let text)? = self[name],
            let bytes = text.wtf8.withUnsafeBytes({ Base64.decode($0) })
        else {
            throw MilepostClientError(.notUnderstood, message: "'\(name)' in the answer is not base64")
        }
        return bytes
    }
}
