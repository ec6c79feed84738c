import Authentication
import Checkpoints
import JSON

/// The body of put.
struct PutBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier = ""
    var parentID: Identifier?
    var document = JSONText.emptyObject
    var metadata = JSONText.emptyObject
    var blobs: [ChannelBlob] = []
    var head = HeadExpectation.any

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
            .list("blobs", "Channel blob data", isRequired: false, of: ChannelBlob.schema) { $0.blobs = $1 },
            .nullableIdentifier(
                "expected_head",
                "Greatest checkpoint ID of the namespace before this put; null for none yet; missing for any"
            ) { $0.head = .head($1) },
        ],
        check: { body, problems in
            problems.requireKeyLength(
                ("thread_id", body.threadID),
                ("checkpoint_ns", body.namespace),
                ("checkpoint_id", body.checkpointID)
            )
            let prefix = body.threadID.byteCount + body.namespace.byteCount
            problems.requireKeyLength(of: body.blobs, in: "blobs", prefix: prefix) {
                [("channel", $0.channel), ("version", $0.version)]
            }
        }
    )
}

extension ChannelBlob {
    static let schema = ObjectSchema(
        "BlobData",
        empty: ChannelBlob(channel: "", version: "", type: "", bytes: nil),
        fields: [
            .identifier("channel", "Channel name") { $0.channel = $1 },
            .identifier("version", "Channel version") { $0.version = $1 },
            .string("type", "Serialization type tag") { $0.type = $1 },
            .nullableBase64("blob", "Base64-encoded binary data") { $0.bytes = $1 },
        ]
    )
}

extension Endpoint {
    static func put(_ store: some CheckpointStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/put",
            scope: .write,
            operation: OpenAPIOperation(
                id: "put_checkpoint_checkpoints_put_post",
                summary: "Put Checkpoint",
                request: PutBody.schema.description,
                answer: .json(.reference(to: .putCheckpointResponse)),
                conflict: .headConflict
            ),
            body: PutBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .update) },
            check: { try PicklePolicy(rules).require($0.blobs.map(\.type), in: "blobs") },
            direct: direct(store)
        ) { body, principal in
            let checkpoint = body.checkpoint(of: principal)
            return .put(checkpoint, try await store.put(checkpoint, blobs: body.blobs, expecting: body.head))
        }
    }

    private static func direct(_ store: some CheckpointStore) -> Direct<PutBody>? {
        guard let store = store as? any DirectStore else { return nil }
        return { body, principal, answer in
            let checkpoint = body.checkpoint(of: principal)
            store.put(checkpoint, blobs: body.blobs, expecting: body.head) { result in
                answer(result.map { .put(checkpoint, $0) }.mapError { $0 })
            }
        }
    }
}

extension PutBody {
    fileprivate func checkpoint(of principal: Principal) -> Checkpoint {
        Checkpoint(
            key: CheckpointKey(
                thread: ThreadKey(threadID, tenant: principal.tenant),
                namespace: namespace,
                id: checkpointID
            ),
            parentID: parentID,
            document: document,
            metadata: metadata
        )
    }
}

extension CallAnswer {
    fileprivate static func put(_ checkpoint: Checkpoint, _ outcome: PutOutcome) -> CallAnswer {
        switch outcome {
        case .stored: .json(.key(of: checkpoint))
        case .refused(let head):
            .conflict(
                "The head of this namespace is not the expected one; read it, and put on top of it or somewhere else",
                [JSONMember(name: "head", value: head.map { .string(JSONString($0.text)) } ?? .null)]
            )
        }
    }
}
