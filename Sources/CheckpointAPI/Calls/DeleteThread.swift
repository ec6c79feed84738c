import Authentication
import Checkpoints

/// The body of delete-thread.
struct DeleteThreadBody: Sendable {
    var threadID: Identifier = ""

    static let schema = ObjectSchema(
        "DeleteThreadRequest",
        empty: DeleteThreadBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 }
        ]
    )
}

extension Endpoint {
    static func deleteThread(_ store: some CheckpointStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/delete-thread",
            scope: .delete,
            operation: OpenAPIOperation(
                id: "delete_thread_checkpoints_delete_thread_post",
                summary: "Delete Thread",
                request: DeleteThreadBody.schema.description,
                answer: .noContent,
                conflict: .detail
            ),
            body: DeleteThreadBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .delete) },
            audits: { _ in .deleteThread }
        ) { body, principal in
            try await store.deleteThread(ThreadKey(body.threadID, tenant: principal.tenant))
            return .noContent
        }
    }
}
