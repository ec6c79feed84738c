import JSON

// What the calls answer that the original document does not have.
extension ResponseSchema {
    var supersetSchema: JSONValue {
        switch self {
        case .headConflict:
            object(detail + [("head", .nullable(["type": "string"], title: "Head"))], required: ["detail", "head"])
        case .failure:
            all([
                ("message", .schema("string", title: "Message")), ("code", .schema("integer", title: "Code")),
                ("data", ["type": "null", "title": "Data"]),
            ])
        case .pruneResponse:
            all(
                [("dry_run", .schema("boolean", title: "Dry Run"))] + counts + [
                    list("threads", "Threads", .prunedThread)
                ])
        case .prunedThread: all([threadID] + counts + pruned)
        case .retentionResponse: all([threadID] + settings)
        case .pinResponse: all(pin)
        case .deltaChannelHistoryResponse:
            all([
                (
                    "channels",
                    [
                        "additionalProperties": .reference(to: Self.deltaChannel.rawValue),
                        "type": "object",
                        "title": "Channels",
                    ]
                )
            ])
        case .deltaChannel:
            object(
                [
                    list("writes", "Writes", .writeResponse),
                    ("seed", .reference(to: Self.deltaSeed.rawValue)),
                ],
                required: ["writes"]
            )
        case .deltaSeed:
            object(
                [("blob", .reference(to: Self.blobResponse.rawValue)), ("value", ["title": "Value"])],
                required: []
            )
        case .threadListResponse: all([list("threads", "Threads", .threadSummary)])
        case .threadSummary: all([threadID] + times + counts)
        case .threadResponse: all([threadID] + times + counts + [list("namespaces", "Namespaces", .namespaceSummary)])
        case .namespaceSummary:
            all(
                [
                    ("checkpoint_ns", .schema("string", title: "Checkpoint Ns")),
                    ("head", .nullable(["type": "string"], title: "Head")),
                ] + times + counts
            )
        default: all(detail)
        }
    }

    private var pruned: [Property] {
        [("kept", .schema("integer", title: "Kept")), ("held", .schema("boolean", title: "Held"))]
    }

    private var settings: [Property] {
        [
            ("ttl", .nullable(["type": "integer"], title: "Ttl")), list("pin", "Pin", .pinResponse),
            ("hold", .schema("boolean", title: "Hold")),
        ]
    }

    private var pin: [Property] {
        [
            ("checkpoint_ns", .schema("string", title: "Checkpoint Ns")),
            ("checkpoint_id", .schema("string", title: "Checkpoint Id")),
        ]
    }

    private var detail: [Property] { [("detail", .schema("string", title: "Detail"))] }

    private var threadID: Property { ("thread_id", .schema("string", title: "Thread Id")) }

    private var times: [Property] {
        [
            ("created", .nullable(["type": "string"], title: "Created")),
            ("updated", .nullable(["type": "string"], title: "Updated")),
        ]
    }

    private var counts: [Property] {
        ["checkpoints", "writes", "blobs", "bytes"].map { name in
            (name, .schema("integer", title: name.prefix(1).uppercased() + name.dropFirst()))
        }
    }

    private func list(_ name: String, _ title: String, _ element: ResponseSchema) -> Property {
        (name, .array(of: .reference(to: element.rawValue), title: title))
    }

    private func all(_ properties: [Property]) -> JSONValue {
        object(properties, required: properties.map(\.0))
    }
}
