import JSON

// What the inspector's page is answered. Values have the form of `milepost show --json`, and can be anything.
extension ResponseSchema {
    var inspectorSchema: JSONValue {
        switch self {
        case .inspectorCaller:
            all([
                text("version"), flag("authentication"), text("name"), text("tenant"), texts("scopes"),
                text("thread_prefix"),
            ])
        case .inspectorHistory: all([list("checkpoints", .inspectorRow)])
        case .inspectorRow:
            all([
                text("checkpoint_ns"), text("checkpoint_id"), textOrNull("parent_checkpoint_id"),
                textOrNull("caller_checkpoint_id"), textOrNull("ts"),
                ("step", .nullable(["type": "number"], title: "Step")), textOrNull("source"), textOrNull("run_id"),
                texts("nodes"), texts("next"), integer("writes"), integer("interrupts"), integer("errors"),
                flag("resumed"),
            ])
        case .inspectorCheckpoint:
            object(
                [
                    ("row", .reference(to: Self.inspectorRow.rawValue)), flag("has_content"),
                    list("channels", .inspectorChannel), list("writes", .inspectorWrite),
                    ("metadata", .anyObject(title: "Metadata")), ("document", .anyObject(title: "Document")),
                    text("metadata_text"),
                ],
                required: ["row", "has_content", "channels", "writes", "metadata", "document"]
            )
        case .inspectorChannel:
            content([
                text("channel"), textOrNull("version"), textOrNull("type"), integer("bytes"), flag("is_inner"),
                flag("is_changed"),
            ])
        case .inspectorWrite:
            content([
                text("task_id"), textOrNull("task_path"), textOrNull("node"), integer("idx"), text("channel"),
                textOrNull("type"), integer("bytes"),
            ])
        case .inspectorDifference:
            all([
                textOrNull("from"), text("to"), flag("has_content"), integer("same"), list("state", .inspectorChange),
                list("metadata", .inspectorChange),
            ])
        case .inspectorSizes, .storedSize, .storedRows, .channelSize, .sizePoint: sizesSchema
        default:
            object(
                [text("path"), text("change"), ("before", ["title": "Before"]), ("after", ["title": "After"])],
                required: ["path", "change"]
            )
        }
    }

    private var sizesSchema: JSONValue {
        let size = [integer("logical"), integer("stored")]
        return switch self {
        case .inspectorSizes:
            all([
                ("total", .reference(to: Self.storedSize.rawValue)),
                ("documents", .reference(to: Self.storedRows.rawValue)),
                ("writes", .reference(to: Self.storedRows.rawValue)), list("channels", .channelSize),
                list("points", .sizePoint),
            ])
        case .storedSize: all(size)
        case .storedRows: all([integer("count")] + size)
        case .channelSize: all([text("checkpoint_ns"), text("channel"), integer("versions")] + size)
        default: all([text("checkpoint_id"), textOrNull("ts")] + size + [("channels", Self.channelNumbers)])
        }
    }

    /// Of each channel its place in the list of channels, logical and stored.
    private static let channelNumbers: JSONValue = .array(
        of: ["items": ["type": "integer"], "type": "array"], title: "Channels")

    private func text(_ name: String) -> Property { (name, .schema("string", title: title(name))) }

    private func textOrNull(_ name: String) -> Property { (name, .nullable(["type": "string"], title: title(name))) }

    private func texts(_ name: String) -> Property { (name, .array(of: ["type": "string"], title: title(name))) }

    private func integer(_ name: String) -> Property { (name, .schema("integer", title: title(name))) }

    private func flag(_ name: String) -> Property { (name, .schema("boolean", title: title(name))) }

    private func list(_ name: String, _ element: ResponseSchema) -> Property {
        (name, .array(of: .reference(to: element.rawValue), title: title(name)))
    }

    /// As FastAPI makes one of a name: `checkpoint_ns` is `Checkpoint Ns`.
    private func title(_ name: String) -> String {
        name.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: " ")
    }

    private func all(_ properties: [Property]) -> JSONValue { object(properties, required: properties.map(\.0)) }

    /// With a `value` for who may see it.
    private func content(_ properties: [Property]) -> JSONValue {
        object(properties + [("value", ["title": "Value"])], required: properties.map(\.0))
    }
}
