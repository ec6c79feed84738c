import Authentication
import Checkpoints

/// The body of copy-thread.
struct CopyThreadBody: Sendable {
    var source: Identifier = ""
    var target: Identifier = ""

    static let schema = ObjectSchema(
        "CopyThreadRequest",
        empty: CopyThreadBody(),
        fields: [
            .identifier("source_thread_id", "Thread ID to copy") { $0.source = $1 },
            .identifier("target_thread_id", "Thread ID of the copy") { $0.target = $1 },
        ],
        check: { body, problems in
            problems.requireKeyLength(("source_thread_id", body.source))
            problems.requireKeyLength(("target_thread_id", body.target))
        }
    )
}

extension Endpoint {
    static func copyThread(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/copy-thread",
            scope: .write,
            operation: OpenAPIOperation(
                id: "copy_thread_checkpoints_copy_thread_post",
                summary: "Copy Thread",
                request: CopyThreadBody.schema.description,
                answer: .noContent,
                conflict: .detail
            ),
            body: CopyThreadBody.schema,
            rules: rules,
            uses: { .threads([($0.source, .read), ($0.target, .update)]) },
            audits: { _ in .copyThread }
        ) { body, principal in
            switch try await store.copyThread(ThreadKey(body.source, tenant: principal.tenant), to: body.target) {
            case .done: .noContent
            case .targetExists:
                .conflict("The target thread exists already and nothing was copied; delete it, or choose another id")
            }
        }
    }
}
