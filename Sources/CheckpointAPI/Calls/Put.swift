import Checkpoints
import Hummingbird
import JSON

/// The body of put.
struct PutBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier = ""
    var parentID: Identifier?
    var document = JSONText.emptyObject
    var metadata = JSONText.emptyObject
    var blobs: [BlobBody] = []

    static let schema = ObjectSchema(
        "PutCheckpointRequest",
        empty: PutBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .identifier("checkpoint_id", "Checkpoint ID") { $0.checkpointID = $1 },
            .nullableIdentifier("parent_checkpoint_id", "Parent checkpoint ID") { $0.parentID = $1 },
            .object("checkpoint", "Checkpoint JSONB payload") { $0.document = $1 },
            .object("metadata", "Checkpoint metadata", isRequired: false) { $0.metadata = $1 },
            .list("blobs", "Channel blob data", isRequired: false, of: BlobBody.schema) { $0.blobs = $1 },
        ],
        check: { body, problems in
            let thread = [("thread_id", body.threadID), ("checkpoint_ns", body.namespace)]
            problems.requireKeyLength(thread + [("checkpoint_id", body.checkpointID)])
            for (index, blob) in body.blobs.enumerated() {
                let version = [("channel", blob.channel), ("version", blob.version)]
                problems.requireKeyLength(thread, item: ("blobs", index), version)
            }
        }
    )
}

/// One of the blobs.
struct BlobBody: Sendable {
    var channel: Identifier = ""
    var version: Identifier = ""
    var type = ""
    var bytes: [UInt8]?

    static let schema = ObjectSchema(
        "BlobData",
        empty: BlobBody(),
        fields: [
            .identifier("channel", "Channel name") { $0.channel = $1 },
            .identifier("version", "Channel version") { $0.version = $1 },
            .string("type", "Serialization type tag") { $0.type = $1 },
            .nullableBase64("blob", "Base64-encoded binary data") { $0.bytes = $1 },
        ]
    )
}

extension Endpoint {
    static func put(_ store: some CheckpointStore, _ limits: APILimits) -> Endpoint {
        Endpoint(
            .post,
            "/checkpoints/put",
            permission: .write,
            operation: OpenAPIOperation(
                id: "put_checkpoint_checkpoints_put_post",
                summary: "Put Checkpoint",
                request: PutBody.schema.description,
                answer: .json(.reference(to: .putCheckpointResponse))
            ),
            body: PutBody.schema,
            limits: limits
        ) { body, context in
            let thread = ThreadKey(body.threadID, tenant: context.principal.tenant)
            let checkpoint = Checkpoint(
                key: CheckpointKey(thread: thread, namespace: body.namespace, id: body.checkpointID),
                parentID: body.parentID,
                document: body.document,
                metadata: body.metadata
            )
            try await store.put(checkpoint, blobs: body.blobs.map(ChannelBlob.init))
            return .json(JSONWriter.key(of: checkpoint))
        }
    }
}

extension ChannelBlob {
    fileprivate init(_ body: BlobBody) {
        self.init(channel: body.channel, version: body.version, type: body.type, bytes: body.bytes)
    }
}
