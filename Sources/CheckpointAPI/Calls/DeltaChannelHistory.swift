import Authentication
import Checkpoints

/// The body of delta-channel-history.
struct DeltaChannelHistoryBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier?
    var channels: [Identifier] = []

    static let schema = ObjectSchema(
        "DeltaChannelHistoryRequest",
        empty: DeltaChannelHistoryBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .nullableIdentifier("checkpoint_id", "Checkpoint ID (None = latest)") { $0.checkpointID = $1 },
            .identifiers("channels", "Channel names, at most 1,000", limit: 1_000) { $0.channels = $1 },
        ]
    )
}

extension Endpoint {
    static func deltaChannelHistory(_ store: some CheckpointStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/checkpoints/delta-channel-history",
            scope: .read,
            operation: OpenAPIOperation(
                id: "delta_channel_history_checkpoints_delta_channel_history_post",
                summary: "Delta Channel History",
                request: DeltaChannelHistoryBody.schema.description,
                answer: .json(.reference(to: .deltaChannelHistoryResponse))
            ),
            body: DeltaChannelHistoryBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .read) }
        ) { body, principal in
            .json(
                .histories(
                    try await store.history(
                        of: body.channels,
                        in: ThreadKey(body.threadID, tenant: principal.tenant),
                        namespace: body.namespace,
                        id: body.checkpointID.unlessEmpty
                    )
                )
            )
        }
    }
}
