import Authentication
import Checkpoints
import JSON

/// The body of get-tuple.
struct GetTupleBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier?
    /// Blobs and pending writes are always among the parts.
    var include = Include(parts: .tuple)

    static let schema = ObjectSchema(
        "GetCheckpointTupleRequest",
        empty: GetTupleBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .nullableIdentifier("checkpoint_id", "Checkpoint ID (None = latest)") { $0.checkpointID = $1 },
            .include { $0.include.formUnion($1) },
        ]
    )
}

extension Endpoint {
    static func getTuple(_ store: some CheckpointStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/get-tuple",
            scope: .read,
            operation: OpenAPIOperation(
                id: "get_checkpoint_tuple_checkpoints_get_tuple_post",
                summary: "Get Checkpoint Tuple",
                request: GetTupleBody.schema.description,
                answer: .json(.nullable(.reference(to: .checkpointTupleResponse)))
            ),
            body: GetTupleBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .read) },
            direct: direct(store)
        ) { body, principal in
            let thread = ThreadKey(body.threadID, tenant: principal.tenant)
            let tuple = try await store.tuple(
                in: thread, namespace: body.namespace, id: body.checkpointID.unlessEmpty, parts: body.include.parts)
            return .json(.tupleOrNull(tuple, body.include))
        }
    }

    private static func direct(_ store: some CheckpointStore) -> Direct<GetTupleBody>? {
        guard let store = store as? any DirectStore else { return nil }
        return { body, principal, answer in
            let thread = ThreadKey(body.threadID, tenant: principal.tenant)
            store.tuple(
                in: thread, namespace: body.namespace, id: body.checkpointID.unlessEmpty, parts: body.include.parts
            ) { result in
                answer(result.map { .json(.tupleOrNull($0, body.include)) }.mapError { $0 })
            }
        }
    }
}

extension Identifier? {
    /// An empty checkpoint id asks for what null asks for.
    var unlessEmpty: Identifier? { flatMap { $0.isEmpty ? nil : $0 } }
}
