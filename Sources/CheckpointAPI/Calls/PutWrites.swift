import Checkpoints
import JSON

/// The body of put-writes.
struct PutWritesBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier = ""
    var writes: [PendingWrite] = []
    var upsert = false

    static let schema = ObjectSchema(
        "PutWritesRequest",
        empty: PutWritesBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .identifier("checkpoint_id", "Checkpoint ID") { $0.checkpointID = $1 },
            .list("writes", "Write data", of: PendingWrite.schema) { $0.writes = $1 },
            .boolean("upsert", "Upsert mode", default: false) { $0.upsert = $1 },
        ],
        check: { body, problems in
            problems.requireKeyLength(
                ("thread_id", body.threadID),
                ("checkpoint_ns", body.namespace),
                ("checkpoint_id", body.checkpointID)
            )
            let prefix = body.threadID.byteCount + body.namespace.byteCount + body.checkpointID.byteCount
            problems.requireKeyLength(of: body.writes, in: "writes", prefix: prefix) { [("task_id", $0.taskID)] }
        }
    )
}

extension PendingWrite {
    static let schema = ObjectSchema(
        "WriteData",
        empty: PendingWrite(taskID: "", index: 0, channel: "", type: nil, bytes: [], taskPath: ""),
        fields: [
            .identifier("task_id", "Task ID") { $0.taskID = $1 },
            .integer("idx", "Write index", range: Int(Int32.min)...Int(Int32.max)) { $0.index = Int32($1) },
            .identifier("channel", "Channel name") { $0.channel = $1 },
            .nullableString("type", "Serialization type tag") { $0.type = $1 },
            .base64("blob", "Base64-encoded binary data") { $0.bytes = $1 },
            .identifier("task_path", "Task path", default: "") { $0.taskPath = $1 },
        ]
    )
}

extension Endpoint {
    static func putWrites(_ store: some CheckpointStore, _ limits: APILimits) -> Endpoint {
        Endpoint(
            "/checkpoints/put-writes",
            permission: .write,
            operation: OpenAPIOperation(
                id: "put_writes_checkpoints_put_writes_post",
                summary: "Put Writes",
                request: PutWritesBody.schema.description,
                answer: .noContent
            ),
            body: PutWritesBody.schema,
            limits: limits,
            direct: direct(store)
        ) { body, principal in
            try await store.putWrites(body.writes, for: body.key(of: principal), onConflict: body.policy)
            return nil
        }
    }

    private static func direct(_ store: some CheckpointStore) -> Direct<PutWritesBody>? {
        guard let store = store as? any DirectStore else { return nil }
        return { body, principal, answer in
            store.putWrites(body.writes, for: body.key(of: principal), onConflict: body.policy) { result in
                answer(result.map { nil }.mapError { $0 })
            }
        }
    }
}

extension PutWritesBody {
    fileprivate func key(of principal: Principal) -> CheckpointKey {
        CheckpointKey(
            thread: ThreadKey(threadID, tenant: principal.tenant),
            namespace: namespace,
            id: checkpointID
        )
    }

    fileprivate var policy: WriteConflictPolicy { upsert ? .replace : .keepFirst }
}
