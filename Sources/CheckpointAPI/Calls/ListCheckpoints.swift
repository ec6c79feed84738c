import Checkpoints
import JSON

/// The body of list.
struct ListCheckpointsBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier?
    var before: Identifier?
    var metadataFilter: JSONValue?
    var limit = CheckpointQuery.defaultLimit

    static let schema = ObjectSchema(
        "ListCheckpointsRequest",
        empty: ListCheckpointsBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .nullableIdentifier("checkpoint_ns", "Checkpoint namespace") { $0.namespace = $1 },
            .nullableIdentifier("before_checkpoint_id", "Before checkpoint ID") { $0.before = $1 },
            .nullableObject("filter_metadata", "Metadata filter (JSONB @>)") { $0.metadataFilter = $1 },
            .integer(
                "limit",
                "Max results",
                range: CheckpointQuery.limits,
                isDocumented: true,
                default: CheckpointQuery.defaultLimit
            ) { $0.limit = $1 },
        ]
    )
}

extension Endpoint {
    static func listCheckpoints(_ store: some CheckpointStore, _ limits: APILimits) -> Endpoint {
        Endpoint(
            "/checkpoints/list",
            permission: .read,
            operation: OpenAPIOperation(
                id: "list_checkpoints_checkpoints_list_post",
                summary: "List Checkpoints",
                request: ListCheckpointsBody.schema.description,
                answer: .json(.array(of: .reference(to: .checkpointListItem)))
            ),
            body: ListCheckpointsBody.schema,
            limits: limits,
            direct: direct(store)
        ) { body, principal in
            .list(try await store.list(body.query(of: principal)))
        }
    }

    private static func direct(_ store: some CheckpointStore) -> Direct<ListCheckpointsBody>? {
        guard let store = store as? any DirectStore else { return nil }
        return { body, principal, answer in
            store.list(body.query(of: principal)) { result in
                answer(result.map { JSONWriter.list($0) }.mapError { $0 })
            }
        }
    }
}

extension ListCheckpointsBody {
    fileprivate func query(of principal: Principal) -> CheckpointQuery {
        CheckpointQuery(
            thread: ThreadKey(threadID, tenant: principal.tenant),
            namespace: namespace,
            before: before,
            metadataFilter: metadataFilter,
            limit: limit
        )
    }
}
