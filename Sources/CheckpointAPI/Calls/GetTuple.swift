import Checkpoints
import Hummingbird
import JSON

/// The body of get-tuple.
struct GetTupleBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier?

    static let schema = ObjectSchema(
        "GetCheckpointTupleRequest",
        empty: GetTupleBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .nullableIdentifier("checkpoint_id", "Checkpoint ID (None = latest)") { $0.checkpointID = $1 },
        ]
    )
}

extension Endpoint {
    static func getTuple(_ store: some CheckpointStore, _ limits: APILimits) -> Endpoint {
        Endpoint(
            .post,
            "/checkpoints/get-tuple",
            permission: .read,
            operation: OpenAPIOperation(
                id: "get_checkpoint_tuple_checkpoints_get_tuple_post",
                summary: "Get Checkpoint Tuple",
                request: GetTupleBody.schema.description,
                answer: .json(.nullable(.reference(to: .checkpointTupleResponse)))
            ),
            body: GetTupleBody.schema,
            limits: limits
        ) { body, context in
            let tuple = try await store.tuple(
                in: ThreadKey(body.threadID, tenant: context.principal.tenant),
                namespace: body.namespace,
                // An empty id asks for the latest, as null does.
                id: body.checkpointID.flatMap { $0.isEmpty ? nil : $0 }
            )
            return .json(tuple.map { JSONWriter.tuple($0) } ?? .null)
        }
    }
}
