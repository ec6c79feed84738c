import Authentication
import Checkpoints
import JSON
import Serde

/// The body of the inspector's history.
struct InspectorHistoryBody: Sendable {
    var threadID: Identifier = ""
    var limit = CheckpointQuery.limits.upperBound
    var after: ListPlace?

    static let schema = ObjectSchema(
        "InspectorHistoryRequest",
        empty: InspectorHistoryBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .integer(
                "limit",
                "Max results",
                range: CheckpointQuery.limits,
                isDocumented: true,
                default: CheckpointQuery.limits.upperBound
            ) { $0.limit = $1 },
            .cursor("after", "Cursor of the next page, from the header x-next-cursor", Cursor.place) { $0.after = $1 },
        ]
    )
}

extension Endpoint {
    /// The checkpoints of a thread, without anything of their values: newest first, of all namespaces.
    static func inspectorHistory(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/inspector/history",
            scope: .read,
            operation: OpenAPIOperation(
                id: "inspector_history_inspector_history_post",
                summary: "Inspector History",
                request: InspectorHistoryBody.schema.description,
                answer: .json(.reference(to: .inspectorHistory)),
                hasPages: true
            ),
            body: InspectorHistoryBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .read) }
        ) { body, principal in
            let page = try await store.list(
                CheckpointQuery(
                    scope: .thread(ThreadKey(body.threadID, tenant: principal.tenant)),
                    after: body.after,
                    limit: body.limit,
                    parts: [.pendingWrites]
                )
            )
            let rows = try await rows(of: page.tuples, isFirst: body.after == nil, store)
            return .json(["checkpoints": .array(rows.map(\.json))], next: page.next.map { Cursor($0) })
        }
    }

    /// What the newest checkpoint of the graph itself waits for is known from its values, which are read when it has joins.
    ///
    /// Which nodes ran and what was sent is known from the parent; one that is not among them is read: one for each
    /// namespace and each fork across the page's end.
    private static func rows(
        of tuples: [CheckpointTuple],
        isFirst: Bool,
        _ store: some CheckpointStore
    ) async throws -> [InspectorRow] {
        let read = tuples.map { ReadCheckpoint($0) }
        var known = Dictionary(read.map { ($0.tuple.checkpoint.key, $0) }) { first, _ in first }
        var rows: [InspectorRow] = []
        let head = isFirst ? read.first { $0.tuple.checkpoint.key.namespace.isEmpty }?.tuple.checkpoint.key : nil
        for checkpoint in read {
            let key = checkpoint.tuple.checkpoint.key
            if let parent = checkpoint.parentKey, known[parent] == nil {
                known[parent] = try await store.parent(of: checkpoint)
            }
            rows.append(
                InspectorRow(
                    checkpoint,
                    after: checkpoint.parentKey.flatMap { known[$0] },
                    joined: key == head ? try await store.joined(at: checkpoint) : []
                )
            )
        }
        return rows
    }
}

extension CheckpointStore {
    fileprivate func joined(at checkpoint: ReadCheckpoint) async throws -> [String] {
        guard checkpoint.progress.hasJoins else { return [] }
        let key = checkpoint.tuple.checkpoint.key
        let whole = try await tuple(in: key.thread, namespace: key.namespace, id: key.id, parts: .blobs)
        return whole.map { checkpoint.progress.joined(DecodedState(ReadCheckpoint($0)).entries) } ?? []
    }

    /// With its pending writes; nil when there is none, or it is not there.
    func parent(of checkpoint: ReadCheckpoint) async throws -> ReadCheckpoint? {
        guard let key = checkpoint.parentKey else { return nil }
        return try await tuple(in: key.thread, namespace: key.namespace, id: key.id, parts: .pendingWrites).map {
            ReadCheckpoint($0)
        }
    }
}
