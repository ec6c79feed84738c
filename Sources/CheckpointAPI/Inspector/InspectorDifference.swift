import Authentication
import Checkpoints
import JSON
import Serde

/// The body of the inspector's difference.
struct InspectorDifferenceBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier?
    var fromCheckpointID: Identifier?

    static let schema = ObjectSchema(
        "InspectorDifferenceRequest",
        empty: InspectorDifferenceBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .nullableIdentifier("checkpoint_id", "Checkpoint ID (None = latest)") { $0.checkpointID = $1 },
            .nullableIdentifier("from_checkpoint_id", "Checkpoint to compare with (None = the parent)") {
                $0.fromCheckpointID = $1
            },
        ]
    )
}

extension Endpoint {
    /// What differs between two checkpoints of a namespace: every field for who has the scope `inspect`, for others the
    /// channels.
    static func inspectorDifference(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/inspector/difference",
            scope: .read,
            operation: OpenAPIOperation(
                id: "inspector_difference_inspector_difference_post",
                summary: "Inspector Difference",
                request: InspectorDifferenceBody.schema.description,
                answer: .json(.nullable(.reference(to: .inspectorDifference)))
            ),
            body: InspectorDifferenceBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .read) },
            audits: { _ in .inspect }
        ) { body, principal in
            let thread = ThreadKey(body.threadID, tenant: principal.tenant)
            guard let after = try await store.inspect(thread, body.namespace, body.checkpointID.unlessEmpty) else {
                return .json(.null)
            }
            let named = body.fromCheckpointID.unlessEmpty
            var before: InspectedCheckpoint?
            if let from = named ?? after.checkpoint.tuple.checkpoint.parentID {
                before = try await store.inspect(thread, body.namespace, from)
            }
            guard before != nil || named == nil else { return .json(.null) }
            let difference = CheckpointDifference(before, after)
            return .json(difference.json(hasContent: principal.scopes.contains(.inspect)))
        }
    }
}

/// Two checkpoints, and what is different; without the first everything is new.
private struct CheckpointDifference {
    private let from: Identifier?
    private let to: Identifier
    private let before: [DecodedEntry]
    private let after: [DecodedEntry]
    private let metadata: [ValueDifference]

    init(_ before: InspectedCheckpoint?, _ after: InspectedCheckpoint) {
        from = before?.checkpoint.tuple.checkpoint.key.id
        to = after.checkpoint.tuple.checkpoint.key.id
        self.before = before?.state.entries ?? []
        self.after = after.state.entries
        metadata = ValueDifference.between(
            before?.checkpoint.metadataEntries ?? [],
            after.checkpoint.metadataEntries
        )
    }

    func json(hasContent: Bool) -> JSONValue {
        let old = Dictionary(before.map { ($0.key, $0.value) }) { $1 }
        let same = after.count { old[$0.key] == $0.value }
        let state = hasContent ? ValueDifference.between(before, after).map(\.json) : channelChanges(old)
        return [
            "from": from.map { .string(JSONString($0.text)) } ?? .null,
            "to": .string(JSONString(to.text)),
            "has_content": .bool(hasContent),
            "same": .count(same),
            "state": .array(state),
            "metadata": .array(hasContent ? metadata.map(\.json) : []),
        ]
    }

    private func channelChanges(_ old: [DecodedValue: DecodedValue]) -> [JSONValue] {
        func change(_ channel: DecodedValue, _ what: JSONString) -> JSONValue {
            ["path": channel.json, "change": .string(what)]
        }
        let new = Set(after.map(\.key))
        return after.filter { old[$0.key] != $0.value }
            .map { change($0.key, old[$0.key] == nil ? "added" : "changed") }
            + before.filter { !new.contains($0.key) }.map { change($0.key, "removed") }
    }
}

extension ReadCheckpoint {
    fileprivate var metadataEntries: [DecodedEntry] {
        if case .map(let entries) = DecodedValue(metadata) { entries } else { [] }
    }
}
