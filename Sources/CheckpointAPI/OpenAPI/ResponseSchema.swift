import JSON

/// The schemas of what calls answer, by their names in the original document.
enum ResponseSchema: String, CaseIterable, Sendable {
    case blobResponse = "BlobResponse"
    case checkpointListItem = "CheckpointListItem"
    case checkpointTupleResponse = "CheckpointTupleResponse"
    case putCheckpointResponse = "PutCheckpointResponse"
    case writeResponse = "WriteResponse"
    case headConflict = "HeadConflict"
    case detail = "Refusal"
    case failure = "Failure"
    case pruneResponse = "PruneResponse"
    case prunedThread = "PrunedThread"
    case deltaChannelHistoryResponse = "DeltaChannelHistoryResponse"
    case deltaChannel = "DeltaChannel"
    case deltaSeed = "DeltaSeed"
    case threadListResponse = "ThreadListResponse"
    case threadSummary = "ThreadSummary"
    case threadResponse = "ThreadResponse"
    case namespaceSummary = "NamespaceSummary"
    case retentionResponse = "RetentionResponse"
    case pinResponse = "PinResponse"
    case inspectorCaller = "InspectorCaller"
    case inspectorHistory = "InspectorHistory"
    case inspectorRow = "InspectorRow"
    case inspectorCheckpoint = "InspectorCheckpoint"
    case inspectorChannel = "InspectorChannel"
    case inspectorWrite = "InspectorWrite"
    case inspectorDifference = "InspectorDifference"
    case inspectorChange = "InspectorChange"
    case inspectorSizes = "InspectorSizes"
    case storedSize = "StoredSize"
    case storedRows = "StoredRows"
    case channelSize = "ChannelSize"
    case sizePoint = "SizePoint"
    case httpValidationError = "HTTPValidationError"
    case validationError = "ValidationError"

    /// Those that this one refers to.
    var parts: [ResponseSchema] {
        switch self {
        case .checkpointListItem, .checkpointTupleResponse: [.blobResponse, .writeResponse]
        case .pruneResponse: [.prunedThread]
        case .deltaChannelHistoryResponse: [.deltaChannel]
        case .deltaChannel: [.deltaSeed, .writeResponse]
        case .deltaSeed: [.blobResponse]
        case .threadListResponse: [.threadSummary]
        case .threadResponse: [.namespaceSummary]
        case .retentionResponse: [.pinResponse]
        case .inspectorHistory: [.inspectorRow]
        case .inspectorCheckpoint: [.inspectorRow, .inspectorChannel, .inspectorWrite]
        case .inspectorDifference: [.inspectorChange]
        case .inspectorSizes: [.storedSize, .storedRows, .channelSize, .sizePoint]
        case .httpValidationError: [.validationError]
        case .blobResponse, .putCheckpointResponse, .writeResponse, .validationError, .headConflict, .detail, .failure,
            .prunedThread, .threadSummary, .namespaceSummary, .pinResponse, .inspectorCaller, .inspectorRow,
            .inspectorChannel, .inspectorWrite, .inspectorChange, .storedSize, .storedRows, .channelSize, .sizePoint:
            []
        }
    }

    var schema: JSONValue {
        switch self {
        case .blobResponse: blob
        case .checkpointListItem: object(key + checkpoint + tupleParts, required: requiredOfCheckpoint)
        case .headConflict, .detail, .failure, .pruneResponse, .prunedThread, .deltaChannelHistoryResponse,
            .deltaChannel,
            .deltaSeed, .threadListResponse, .threadSummary, .threadResponse, .namespaceSummary, .retentionResponse,
            .pinResponse:
            supersetSchema
        case .inspectorCaller, .inspectorHistory, .inspectorRow, .inspectorCheckpoint, .inspectorChannel,
            .inspectorWrite, .inspectorDifference, .inspectorChange, .inspectorSizes, .storedSize, .storedRows,
            .channelSize, .sizePoint:
            inspectorSchema
        case .checkpointTupleResponse: object(key + checkpoint + tupleParts, required: requiredOfCheckpoint)
        case .putCheckpointResponse: object(key, required: key.map(\.0))
        case .writeResponse: write
        case .httpValidationError: problems
        case .validationError: problem
        }
    }

    typealias Property = (String, JSONValue)

    private var key: [Property] {
        [
            ("thread_id", .schema("string", title: "Thread Id")),
            ("checkpoint_ns", .schema("string", title: "Checkpoint Ns")),
            ("checkpoint_id", .schema("string", title: "Checkpoint Id")),
        ]
    }

    private var checkpoint: [Property] {
        [
            ("parent_checkpoint_id", .nullable(["type": "string"], title: "Parent Checkpoint Id")),
            ("checkpoint", .anyObject(title: "Checkpoint")),
            ("metadata", .anyObject(title: "Metadata")),
        ]
    }

    private var requiredOfCheckpoint: [String] { key.map(\.0) + ["checkpoint", "metadata"] }

    private var tupleParts: [Property] {
        [
            ("blobs", .array(of: .reference(to: Self.blobResponse.rawValue), title: "Blobs")),
            ("pending_writes", .array(of: .reference(to: Self.writeResponse.rawValue), title: "Pending Writes")),
            ("parent_sends", .array(of: .reference(to: Self.writeResponse.rawValue), title: "Parent Sends")),
        ]
    }

    private var blob: JSONValue {
        let properties: [Property] = [
            ("channel", .schema("string", title: "Channel")),
            ("version", .schema("string", title: "Version")),
            ("type", .schema("string", title: "Type")),
            ("blob", .nullable(["type": "string"], title: "Blob")),
        ]
        return object(properties, required: ["channel", "version", "type"])
    }

    private var write: JSONValue {
        let properties: [Property] = [
            ("task_id", .schema("string", title: "Task Id")),
            ("idx", .schema("integer", title: "Idx")),
            ("channel", .schema("string", title: "Channel")),
            ("type", .nullable(["type": "string"], title: "Type")),
            ("blob", .nullable(["type": "string"], title: "Blob")),
            ("task_path", .schema("string", title: "Task Path")),
        ]
        return object(properties, required: ["task_id", "idx", "channel"])
    }

    private var problems: JSONValue {
        object([("detail", .array(of: .reference(to: Self.validationError.rawValue), title: "Detail"))], required: [])
    }

    private var problem: JSONValue {
        let step: JSONValue = ["anyOf": [["type": "string"], ["type": "integer"]]]
        let properties: [Property] = [
            ("loc", .array(of: step, title: "Location")),
            ("msg", .schema("string", title: "Message")),
            ("type", .schema("string", title: "Error Type")),
            ("input", ["title": "Input"]),
            ("ctx", .schema("object", title: "Context")),
        ]
        return object(properties, required: ["loc", "msg", "type"])
    }

    func object(_ properties: [Property], required: [String]) -> JSONValue {
        var members = [
            JSONMember(name: "properties", value: .properties(properties)),
            JSONMember(name: "type", value: "object"),
        ]
        if !required.isEmpty { members.append(JSONMember(name: "required", value: .strings(required))) }
        return .object(members + [.title(rawValue)])
    }
}
