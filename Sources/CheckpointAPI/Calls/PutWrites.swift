import Authentication
import Checkpoints
import JSON

/// The body of put-writes.
struct PutWritesBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier = ""
    var writes: [RequestedWrite] = []
    var upsert = false

    static let schema = ObjectSchema(
        "PutWritesRequest",
        empty: PutWritesBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .identifier("checkpoint_id", "Checkpoint ID") { $0.checkpointID = $1 },
            .list("writes", "Write data", of: RequestedWrite.schema) { $0.writes = $1 },
            .boolean("upsert", "Upsert mode", default: false) { $0.upsert = $1 },
        ],
        check: { body, problems in
            problems.requireKeyLength(
                ("thread_id", body.threadID),
                ("checkpoint_ns", body.namespace),
                ("checkpoint_id", body.checkpointID)
            )
            let prefix = body.threadID.byteCount + body.namespace.byteCount + body.checkpointID.byteCount
            problems.requireKeyLength(of: body.writes, in: "writes", prefix: prefix) { [("task_id", $0.write.taskID)] }
        }
    )
}

/// An element of `writes`.
struct RequestedWrite: Sendable {
    var write = PendingWrite(taskID: "", index: 0, channel: "", type: nil, bytes: [], taskPath: "")
    /// Nil for the request's own.
    var upsert: Bool?

    static let schema = ObjectSchema(
        "WriteData",
        empty: RequestedWrite(),
        fields: [
            .identifier("task_id", "Task ID") { $0.write.taskID = $1 },
            .integer("idx", "Write index", range: Int(Int32.min)...Int(Int32.max)) { $0.write.index = Int32($1) },
            .identifier("channel", "Channel name") { $0.write.channel = $1 },
            .nullableString("type", "Serialization type tag") { $0.write.type = $1 },
            .base64("blob", "Base64-encoded binary data") { $0.write.bytes = $1 },
            .identifier("task_path", "Task path", default: "") { $0.write.taskPath = $1 },
            .nullableBoolean("upsert", "Upsert mode of this write (null = the request's)") { $0.upsert = $1 },
        ]
    )
}

extension Endpoint {
    static func putWrites(_ store: some CheckpointStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/put-writes",
            scope: .write,
            operation: OpenAPIOperation(
                id: "put_writes_checkpoints_put_writes_post",
                summary: "Put Writes",
                request: PutWritesBody.schema.description,
                answer: .noContent
            ),
            body: PutWritesBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .update) },
            check: { try PicklePolicy(rules).require($0.writes.map(\.write.type), in: "writes") },
            direct: direct(store)
        ) { body, principal in
            try await store.putWrites(body.groups, for: body.key(of: principal))
            return .noContent
        }
    }

    private static func direct(_ store: some CheckpointStore) -> Direct<PutWritesBody>? {
        guard let store = store as? any DirectStore else { return nil }
        return { body, principal, answer in
            store.putWrites(body.groups, for: body.key(of: principal)) { result in
                answer(result.map { .noContent }.mapError { $0 })
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

    /// One group, nearly always; two when writes differ in what they replace.
    ///
    /// Then what this request itself writes twice is one already, so that the groups' order does not matter.
    fileprivate var groups: [WriteGroup] {
        guard let first = writes.indices.first.map(policy) else { return [] }
        if writes.indices.allSatisfy({ policy($0) == first }) {
            return [WriteGroup(writes.map(\.write), onConflict: first)]
        }
        var folded: [(write: PendingWrite, policy: WriteConflictPolicy)] = []
        var places: [WriteKey: Int] = [:]
        for (index, write) in writes.map(\.write).enumerated() {
            let key = WriteKey(taskID: write.taskID, index: write.index)
            guard let place = places[key] else {
                places[key] = folded.count
                folded.append((write, policy(index)))
                continue
            }
            guard policy(index) == .replace else { continue }
            var replacement = write
            replacement.taskPath = folded[place].write.taskPath
            folded[place] = (replacement, .replace)
        }
        return [WriteConflictPolicy.keepFirst, .replace].map { policy in
            WriteGroup(folded.filter { $0.policy == policy }.map(\.write), onConflict: policy)
        }
    }

    private struct WriteKey: Hashable {
        let taskID: Identifier
        let index: Int32
    }

    private func policy(_ place: Int) -> WriteConflictPolicy {
        writes[place].upsert ?? upsert ? .replace : .keepFirst
    }
}
