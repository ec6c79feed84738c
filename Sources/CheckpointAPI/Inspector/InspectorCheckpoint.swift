import Authentication
import Checkpoints
import JSON
import Serde

/// The body of the inspector's checkpoint.
struct InspectorCheckpointBody: Sendable {
    var threadID: Identifier = ""
    var namespace: Identifier = ""
    var checkpointID: Identifier?

    static let schema = ObjectSchema(
        "InspectorCheckpointRequest",
        empty: InspectorCheckpointBody(),
        fields: [
            .identifier("thread_id", "Thread ID") { $0.threadID = $1 },
            .identifier("checkpoint_ns", "Checkpoint namespace", default: "") { $0.namespace = $1 },
            .nullableIdentifier("checkpoint_id", "Checkpoint ID (None = latest)") { $0.checkpointID = $1 },
        ]
    )
}

extension Endpoint {
    /// A checkpoint with its values decoded, for who has the scope `inspect`; for others what there is and how large.
    static func inspectorCheckpoint(_ store: some ThreadStore, _ rules: CallRules) -> Endpoint {
        Endpoint(
            "/inspector/checkpoint",
            scope: .read,
            operation: OpenAPIOperation(
                id: "inspector_checkpoint_inspector_checkpoint_post",
                summary: "Inspector Checkpoint",
                request: InspectorCheckpointBody.schema.description,
                answer: .json(.nullable(.reference(to: .inspectorCheckpoint)))
            ),
            body: InspectorCheckpointBody.schema,
            rules: rules,
            uses: { .thread($0.threadID, .read) },
            audits: { _ in .inspect }
        ) { body, principal in
            let thread = ThreadKey(body.threadID, tenant: principal.tenant)
            guard let found = try await store.inspect(thread, body.namespace, body.checkpointID.unlessEmpty) else {
                return .json(.null)
            }
            let parent = try await store.parent(of: found.checkpoint)
            return .json(ShownCheckpoint(found, parent, hasContent: principal.scopes.contains(.inspect)).json)
        }
    }
}

/// A checkpoint with its channels.
struct InspectedCheckpoint: Sendable {
    let checkpoint: ReadCheckpoint
    let state: InspectedState
}

extension CheckpointStore {
    /// The newest of the namespace when `id` is nil; nil when there is none.
    ///
    /// Channels that have no value of their own come with what makes it up.
    func inspect(
        _ thread: ThreadKey, _ namespace: Identifier, _ id: Identifier?
    ) async throws -> InspectedCheckpoint? {
        guard let tuple = try await tuple(in: thread, namespace: namespace, id: id, parts: .tuple) else { return nil }
        let checkpoint = ReadCheckpoint(tuple)
        let unvalued = InspectedState.unvalued(checkpoint)
        var histories: [ChannelHistory] = []
        if !unvalued.isEmpty {
            histories = try await history(
                of: unvalued, in: thread, namespace: namespace, id: tuple.checkpoint.key.id)
        }
        return InspectedCheckpoint(
            checkpoint: checkpoint, state: InspectedState(checkpoint, histories: histories))
    }
}

/// A checkpoint as the page is told of it.
private struct ShownCheckpoint {
    private let checkpoint: ReadCheckpoint
    private let parentVersions: [JSONString: JSONValue]
    private let state: InspectedState
    private let row: InspectorRow
    private let writtenBytes: Int
    /// The nodes of its sends, in their order.
    private let sends: [String]
    /// Whether its caller may see what is stored, and not only how much.
    private let hasContent: Bool

    init(_ inspected: InspectedCheckpoint, _ parent: ReadCheckpoint?, hasContent: Bool) {
        checkpoint = inspected.checkpoint
        state = inspected.state
        row = InspectorRow(checkpoint, after: parent, joined: checkpoint.progress.joined(state.entries))
        parentVersions = (parent?.document["channel_versions"]).lastMembers
        writtenBytes = checkpoint.tuple.pendingWrites.reduce(0) { $0 + $1.bytes.count }
        sends = parent?.sends ?? []
        self.hasContent = hasContent
    }

    var json: JSONValue {
        let stored = checkpoint.tuple.checkpoint
        var members = [
            JSONMember(name: "row", value: row.json),
            JSONMember(name: "has_content", value: .bool(hasContent)),
            JSONMember(name: "channels", value: .array(state.channels.map(channel))),
            JSONMember(name: "writes", value: .array(checkpoint.tuple.pendingWrites.map(write))),
            JSONMember(
                name: "metadata",
                value: part(stored.metadata.bytes.count, "value") { DecodedValue(checkpoint.metadata).json }
            ),
            JSONMember(
                name: "document", value: part(stored.document.bytes.count, "text") { stored.document.asString }),
        ]
        if hasContent { members.append(JSONMember(name: "metadata_text", value: stored.metadata.asString)) }
        return .object(members)
    }

    private func part(_ bytes: Int, _ name: JSONString, _ content: () -> JSONValue) -> JSONValue {
        object([("bytes", .count(bytes))], name, content)
    }

    /// With the content last, where it may be seen.
    private func object(
        _ members: [(JSONString, JSONValue)], _ name: JSONString, _ content: () -> JSONValue
    ) -> JSONValue {
        .object((members + (hasContent ? [(name, content())] : [])).map { JSONMember(name: $0.0, value: $0.1) })
    }

    private func channel(_ channel: InspectedState.Channel) -> JSONValue {
        let members: [(JSONString, JSONValue)] = [
            ("channel", .string(channel.name)),
            ("version", channel.version.map { .string(JSONString($0.shownText)) } ?? .null),
            ("type", channel.type.map { .string(JSONString($0)) } ?? .null),
            ("bytes", .count(channel.bytes)),
            ("is_inner", .bool(LangGraphChannel.isInner(channel.name))),
            ("is_changed", .bool(parentVersions[channel.name] != channel.version)),
        ]
        return object(members, "value") { channel.value?.json ?? .null }
    }

    private func write(_ write: PendingWrite) -> JSONValue {
        let path = write.taskPath.text
        let sent = LangGraphChannel.send(ofTaskPath: path).flatMap { sends.indices.contains($0) ? sends[$0] : nil }
        let node = LangGraphChannel.node(ofTaskPath: path) ?? sent
        let members: [(JSONString, JSONValue)] = [
            ("task_id", .string(JSONString(write.taskID.text))),
            ("task_path", write.taskPath.isEmpty ? .null : .string(JSONString(write.taskPath.text))),
            ("node", node.map { .string(JSONString($0)) } ?? .null),
            ("idx", .count(Int(write.index))),
            ("channel", .string(JSONString(write.channel.text))),
            ("type", write.type.map { .string(JSONString($0)) } ?? .null),
            ("bytes", .count(write.bytes.count)),
        ]
        let limits = DecodingLimits().share(of: write.bytes.count, in: writtenBytes)
        return object(members, "value") { DecodedValue(type: write.type, bytes: write.bytes, limits: limits).json }
    }
}

extension JSONText {
    /// Its exact text, as the value of a string.
    fileprivate var asString: JSONValue { .string(JSONString(String(decoding: bytes, as: UTF8.self))) }
}

extension JSONValue {
    /// A string as it is, anything else as JSON.
    fileprivate var shownText: String {
        if case .string(let text) = self, let string = text.string { return string }
        return String(decoding: text.bytes, as: UTF8.self)
    }
}
