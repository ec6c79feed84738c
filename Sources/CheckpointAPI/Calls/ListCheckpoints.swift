import Authentication
import Checkpoints
import JSON

/// The body of list.
struct ListCheckpointsBody: Sendable {
    var threadID: Identifier?
    var namespace: Identifier?
    var id: Identifier?
    var before: Identifier?
    var after: ListPlace?
    var metadataFilter: JSONValue?
    var limit = CheckpointQuery.defaultLimit
    var include = Include()

    static let schema = ObjectSchema(
        "ListCheckpointsRequest",
        empty: ListCheckpointsBody(),
        fields: [
            .identifier("thread_id", "Thread ID", unless: "across_threads") { $0.threadID = $1 },
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
            // Without a thread id, all threads are meant: no body comes that far unless this field is true.
            .boolean("across_threads", "List all threads: then thread_id may be null or missing", default: false) {
                _, _ in
            },
            .nullableIdentifier("checkpoint_id", "Only this checkpoint ID (None = any)") { $0.id = $1 },
            .cursor("after", "Cursor of the next page, from the header x-next-cursor", Cursor.place) { $0.after = $1 },
            .include { $0.include = $1 },
        ]
    )
}

extension Endpoint {
    static func listCheckpoints(_ store: some CheckpointStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/list",
            scope: .read,
            operation: OpenAPIOperation(
                id: "list_checkpoints_checkpoints_list_post",
                summary: "List Checkpoints",
                request: ListCheckpointsBody.schema.description,
                answer: .json(.array(of: .reference(to: .checkpointListItem))),
                hasPages: true
            ),
            body: ListCheckpointsBody.schema,
            rules: rules,
            uses: { $0.threadID.map { .thread($0, .read) } ?? .all },
            direct: direct(store)
        ) { body, principal in
            .list(try await store.list(body.query(of: principal)), body.include)
        }
    }

    private static func direct(_ store: some CheckpointStore) -> Direct<ListCheckpointsBody>? {
        guard let store = store as? any DirectStore else { return nil }
        return { body, principal, answer in
            store.list(body.query(of: principal)) { result in
                answer(result.map { .list($0, body.include) }.mapError { $0 })
            }
        }
    }
}

extension CallAnswer {
    fileprivate static func list(_ page: CheckpointPage, _ include: Include) -> CallAnswer {
        .json(.list(page.tuples, include), next: page.next.map { Cursor($0) })
    }
}

extension ListCheckpointsBody {
    /// A thread that is named is the only one, whatever `across_threads` says.
    fileprivate func query(of principal: Principal) -> CheckpointQuery {
        CheckpointQuery(
            scope: threadID.map { .thread(ThreadKey($0, tenant: principal.tenant)) } ?? .tenant(principal.tenant),
            namespace: namespace,
            id: id.unlessEmpty,
            before: before,
            after: after,
            metadataFilter: metadataFilter,
            limit: limit,
            parts: include.parts
        )
    }
}
