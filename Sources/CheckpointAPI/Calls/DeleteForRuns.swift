import Authentication
import Checkpoints

/// The body of delete-for-runs.
struct DeleteForRunsBody: Sendable {
    var runIDs: [Identifier] = []

    static let schema = ObjectSchema(
        "DeleteForRunsRequest",
        empty: DeleteForRunsBody(),
        fields: [
            .identifiers("run_ids", "Run IDs, as the metadata's run_id has them") { $0.runIDs = $1 }
        ]
    )
}

extension Endpoint {
    static func deleteForRuns(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/delete-for-runs",
            scope: .delete,
            operation: OpenAPIOperation(
                id: "delete_for_runs_checkpoints_delete_for_runs_post",
                summary: "Delete For Runs",
                request: DeleteForRunsBody.schema.description,
                answer: .noContent,
                conflict: .detail,
                namesThread: false
            ),
            body: DeleteForRunsBody.schema,
            rules: rules,
            uses: { _ in .all },
            audits: { _ in .deleteForRuns }
        ) { body, principal in
            if !body.runIDs.isEmpty {
                try await store.deleteRuns(Set(body.runIDs), of: principal.tenant)
            }
            return .noContent
        }
    }
}
