import CheckpointAPI
import Foundation
import JSON
import Testing

/// What the published API's document says of the five calls, stated here once more: generated clients depend on it.
@Suite("The OpenAPI document", .timeLimit(.minutes(5)))
struct OpenAPITests {
    /// Path, operation id, summary, request, status and answer of each call.
    private typealias Call = (
        path: String, id: String, summary: String, request: String, status: String, answer: String?
    )

    private static let calls: [Call] = [
        (
            "/checkpoints/get-tuple", "get_checkpoint_tuple_checkpoints_get_tuple_post", "Get Checkpoint Tuple",
            "GetCheckpointTupleRequest", "200",
            ##"{"anyOf":[{"$ref":"#/components/schemas/CheckpointTupleResponse"},{"type":"null"}],"##
                + #""title":"Response Get Checkpoint Tuple Checkpoints Get Tuple Post"}"#
        ),
        (
            "/checkpoints/put", "put_checkpoint_checkpoints_put_post", "Put Checkpoint", "PutCheckpointRequest", "200",
            ##"{"$ref":"#/components/schemas/PutCheckpointResponse"}"##
        ),
        (
            "/checkpoints/put-writes", "put_writes_checkpoints_put_writes_post", "Put Writes", "PutWritesRequest",
            "204",
            nil
        ),
        (
            "/checkpoints/list", "list_checkpoints_checkpoints_list_post", "List Checkpoints", "ListCheckpointsRequest",
            "200",
            ##"{"items":{"$ref":"#/components/schemas/CheckpointListItem"},"type":"array","##
                + #""title":"Response List Checkpoints Checkpoints List Post"}"#
        ),
        (
            "/checkpoints/delete-thread", "delete_thread_checkpoints_delete_thread_post", "Delete Thread",
            "DeleteThreadRequest", "204", nil
        ),
    ]

    @Test("it has the original's calls, each with these parts and no other but what else they can answer")
    func paths() async throws {
        let document = try await servedDocument()
        #expect(document["openapi"] == "3.1.0")
        let race =
            ##","409":{"description":"Conflict","content":{"application/json":{"schema":"##
            + ##"{"$ref":"#/components/schemas/HeadConflict"}}}}"##
        let expected: JSONValue = .object(
            Self.calls.map { call in
                let held = race.replacingOccurrences(of: "HeadConflict", with: "Refusal")
                let conflict = call.path.hasSuffix("/put") ? race : call.path.hasSuffix("/delete-thread") ? held : ""
                let content = call.answer.map { #","content":{"application/json":{"schema":\#($0)}}"# } ?? ""
                let pages = call.path.hasSuffix("/list") ? Self.pages : ""
                let text = """
                    {"post":{"tags":["Checkpoints"],"summary":"\(call.summary)","operationId":"\(call.id)",\
                    "requestBody":{"content":{"application/json":{"schema":\
                    {"$ref":"#/components/schemas/\(call.request)"}}},"required":true},\
                    "responses":{"\(call.status)":{"description":"Successful Response"\(content)\(pages)},\
                    \(SharedAnswers.references("401", "403", "404"))\(conflict),\(SharedAnswers.references("413", "415")),\
                    "422":{"description":"Validation Error","content":{"application/json":{"schema":\
                    {"$ref":"#/components/schemas/HTTPValidationError"}}}},\
                    \(SharedAnswers.references("429", "500", "501", "502", "503"))}}}
                    """
                return JSONMember(name: JSONString(call.path), value: parsed(text))
            }
        )
        guard case .object(let paths)? = document["paths"] else {
            Issue.record("there are no paths")
            return
        }
        #expect(JSONValue.object(Array(paths.prefix(Self.calls.count))) == expected)
        let added = paths.dropFirst(Self.calls.count).map(\.name.string)
        // A path of two methods stands once.
        #expect(
            added
                == Self.additions.map(\.path).enumerated().filter { $0 == 0 || Self.additions[$0 - 1].path != $1 }.map(
                    \.1))
        for (path, method, parts) in Self.additions {
            let operation = document["paths"]?[path]?[method]
            for part in parts {
                #expect(operation?.text.bytes.contains(Array(part.utf8)) ?? false, "\(path): \(part)")
            }
        }
    }

    private static let pages =
        #","headers":{"x-next-cursor":{"description":"There may be more: send it as `after`","#
        + #""schema":{"type":"string"}}}"#

    /// The calls that the original lacks: what the document must say of each somewhere.
    private static let additions: [(path: String, method: String, parts: [String])] = [
        ("/checkpoints/copy-thread", "post", ["schemas/CopyThreadRequest", #""204""#, #""409""#, "schemas/Refusal"]),
        ("/checkpoints/delete-for-runs", "post", ["schemas/DeleteForRunsRequest", #""204""#, #""409""#]),
        ("/checkpoints/prune", "post", ["schemas/PruneRequest", "schemas/PruneResponse"]),
        (
            "/checkpoints/delta-channel-history", "post",
            ["schemas/DeltaChannelHistoryRequest", "schemas/DeltaChannelHistoryResponse"]
        ),
        ("/threads", "get", [#""in":"query""#, "schemas/ThreadListResponse", "x-next-cursor"]),
        ("/threads/{thread_id}", "get", [#""in":"path""#, "schemas/ThreadResponse", "responses/NotFound"]),
        ("/threads/{thread_id}/events", "get", [#""in":"header""#, "Last-Event-ID", "text/event-stream"]),
        ("/threads/{thread_id}/retention", "get", [#""in":"path""#, "schemas/RetentionResponse", #""404""#]),
        (
            "/threads/{thread_id}/retention", "put",
            ["schemas/RetentionRequest", "schemas/RetentionResponse", #""404""#]
        ),
        ("/inspector/caller", "get", ["schemas/InspectorCaller"]),
        ("/inspector/history", "post", ["schemas/InspectorHistoryRequest", "schemas/InspectorHistory"]),
        ("/inspector/checkpoint", "post", ["schemas/InspectorCheckpointRequest", "schemas/InspectorCheckpoint"]),
        ("/inspector/difference", "post", ["schemas/InspectorDifferenceRequest", "schemas/InspectorDifference"]),
        ("/inspector/sizes", "post", ["schemas/InspectorSizesRequest", "schemas/InspectorSizes"]),
    ]

    /// A line a schema: its fields in order, `*` when required, then the field's own schema.
    private static let schemas: [(name: String, fields: [(String, String)])] = [
        (
            "BlobData",
            [
                ("channel*", #"{"type":"string","title":"Channel name"}"#),
                ("version*", #"{"type":"string","title":"Channel version"}"#),
                ("type*", #"{"type":"string","title":"Serialization type tag"}"#),
                ("blob", nullable("Base64-encoded binary data")),
            ]
        ),
        (
            "BlobResponse",
            [
                ("channel*", #"{"type":"string","title":"Channel"}"#),
                ("version*", #"{"type":"string","title":"Version"}"#), ("type*", #"{"type":"string","title":"Type"}"#),
                ("blob", nullable("Blob")),
            ]
        ),
        ("CheckpointListItem", key + checkpoint + parts),
        ("CheckpointTupleResponse", key + checkpoint + parts),
        ("DeleteThreadRequest", [("thread_id*", #"{"type":"string","title":"Thread ID"}"#)]),
        (
            "GetCheckpointTupleRequest",
            [
                ("thread_id*", #"{"type":"string","title":"Thread ID"}"#), namespace,
                ("checkpoint_id", nullable("Checkpoint ID (None = latest)")), include,
            ]
        ),
        (
            "HTTPValidationError",
            [
                (
                    "detail",
                    ##"{"items":{"$ref":"#/components/schemas/ValidationError"},"type":"array","title":"Detail"}"##
                )
            ]
        ),
        (
            "ListCheckpointsRequest",
            [
                ("thread_id*", #"{"type":"string","title":"Thread ID"}"#),
                ("checkpoint_ns", nullable("Checkpoint namespace")),
                ("before_checkpoint_id", nullable("Before checkpoint ID")),
                (
                    "filter_metadata",
                    #"{"anyOf":[{"additionalProperties":true,"type":"object"},{"type":"null"}],"#
                        + #""title":"Metadata filter (JSONB @>)"}"#
                ),
                ("limit", #"{"type":"integer","maximum":1000,"minimum":1,"title":"Max results","default":100}"#),
                (
                    "across_threads",
                    #"{"type":"boolean","title":"List all threads: then thread_id may be null or missing","#
                        + #""default":false}"#
                ),
                ("checkpoint_id", nullable("Only this checkpoint ID (None = any)")),
                ("after", nullable("Cursor of the next page, from the header x-next-cursor")), include,
            ]
        ),
        (
            "PutCheckpointRequest",
            [
                ("thread_id*", #"{"type":"string","title":"Thread ID"}"#), namespace,
                ("checkpoint_id*", #"{"type":"string","title":"Checkpoint ID"}"#),
                ("parent_checkpoint_id", nullable("Parent checkpoint ID")),
                ("checkpoint*", #"{"additionalProperties":true,"type":"object","title":"Checkpoint JSONB payload"}"#),
                ("metadata", #"{"additionalProperties":true,"type":"object","title":"Checkpoint metadata"}"#),
                (
                    "blobs",
                    ##"{"items":{"$ref":"#/components/schemas/BlobData"},"type":"array","title":"Channel blob data"}"##
                ),
                (
                    "expected_head",
                    nullable(
                        "Greatest checkpoint ID of the namespace before this put; null for none yet; missing for any")
                ),
            ]
        ),
        ("PutCheckpointResponse", key),
        (
            "PutWritesRequest",
            [
                ("thread_id*", #"{"type":"string","title":"Thread ID"}"#), namespace,
                ("checkpoint_id*", #"{"type":"string","title":"Checkpoint ID"}"#),
                (
                    "writes*",
                    ##"{"items":{"$ref":"#/components/schemas/WriteData"},"type":"array","title":"Write data"}"##
                ),
                ("upsert", #"{"type":"boolean","title":"Upsert mode","default":false}"#),
            ]
        ),
        (
            "ValidationError",
            [
                (
                    "loc*",
                    #"{"items":{"anyOf":[{"type":"string"},{"type":"integer"}]},"type":"array","title":"Location"}"#
                ),
                ("msg*", #"{"type":"string","title":"Message"}"#),
                ("type*", #"{"type":"string","title":"Error Type"}"#),
                ("input", #"{"title":"Input"}"#), ("ctx", #"{"type":"object","title":"Context"}"#),
            ]
        ),
        (
            "WriteData",
            [
                ("task_id*", #"{"type":"string","title":"Task ID"}"#),
                ("idx*", #"{"type":"integer","title":"Write index"}"#),
                ("channel*", #"{"type":"string","title":"Channel name"}"#),
                ("type", nullable("Serialization type tag")),
                ("blob*", #"{"type":"string","title":"Base64-encoded binary data"}"#),
                ("task_path", #"{"type":"string","title":"Task path","default":""}"#),
                (
                    "upsert",
                    #"{"anyOf":[{"type":"boolean"},{"type":"null"}],"#
                        + #""title":"Upsert mode of this write (null = the request's)"}"#
                ),
            ]
        ),
        (
            "WriteResponse",
            [
                ("task_id*", #"{"type":"string","title":"Task Id"}"#), ("idx*", #"{"type":"integer","title":"Idx"}"#),
                ("channel*", #"{"type":"string","title":"Channel"}"#), ("type", nullable("Type")),
                ("blob", nullable("Blob")), ("task_path", #"{"type":"string","title":"Task Path"}"#),
            ]
        ),
    ]

    private static let namespace = ("checkpoint_ns", #"{"type":"string","title":"Checkpoint namespace","default":""}"#)

    private static let key = [
        ("thread_id*", #"{"type":"string","title":"Thread Id"}"#),
        ("checkpoint_ns*", #"{"type":"string","title":"Checkpoint Ns"}"#),
        ("checkpoint_id*", #"{"type":"string","title":"Checkpoint Id"}"#),
    ]

    private static let checkpoint = [
        ("parent_checkpoint_id", nullable("Parent Checkpoint Id")),
        ("checkpoint*", #"{"additionalProperties":true,"type":"object","title":"Checkpoint"}"#),
        ("metadata*", #"{"additionalProperties":true,"type":"object","title":"Metadata"}"#),
    ]

    private static let parts = [
        ("blobs", ##"{"items":{"$ref":"#/components/schemas/BlobResponse"},"type":"array","title":"Blobs"}"##),
        (
            "pending_writes",
            ##"{"items":{"$ref":"#/components/schemas/WriteResponse"},"type":"array","title":"Pending Writes"}"##
        ),
        (
            "parent_sends",
            ##"{"items":{"$ref":"#/components/schemas/WriteResponse"},"type":"array","title":"Parent Sends"}"##
        ),
    ]

    private static let include = (
        "include",
        #"{"anyOf":[{"items":{"enum":["blobs","pending_writes","task_path","parent_sends"],"type":"string"},"#
            + #""type":"array"},{"type":"null"}],"title":"What to answer beside the rest"}"#
    )

    private static func nullable(_ title: String) -> String {
        #"{"anyOf":[{"type":"string"},{"type":"null"}],"title":"\#(title)"}"#
    }

    @Test("it has these schemas, each with these fields, defaults and required list")
    func components() async throws {
        let schemas = try await servedDocument()["components"]?["schemas"]
        for schema in Self.schemas {
            let fields = schema.fields.map { "\"\($0.0.replacing("*", with: ""))\":\($0.1)" }.joined(separator: ",")
            let required = schema.fields.filter { $0.0.hasSuffix("*") }.map { "\"\($0.0.dropLast())\"" }
            let list = required.isEmpty ? "" : "\"required\":[\(required.joined(separator: ","))],"
            let text = "{\"properties\":{\(fields)},\"type\":\"object\",\(list)\"title\":\"\(schema.name)\"}"
            #expect(schemas?[schema.name] == parsed(text), "\(schema.name)")
        }
        guard case .object(let all)? = schemas else {
            Issue.record("there are no schemas")
            return
        }
        let names = Set(all.compactMap(\.name.string))
        #expect(names == Set(Self.schemas.map(\.name) + Self.additionalSchemas.map(\.name)))
        for (name, fields) in Self.additionalSchemas {
            guard case .object(let properties)? = schemas?[name]?["properties"] else {
                Issue.record("\(name) has no properties")
                continue
            }
            #expect(properties.compactMap(\.name.string) == fields, "\(name)")
        }
    }

    /// The schemas of the calls that the original lacks, with their fields.
    private static let additionalSchemas: [(name: String, fields: [String])] = [
        ("ChannelSize", ["checkpoint_ns", "channel", "versions", "logical", "stored"]),
        ("CopyThreadRequest", ["source_thread_id", "target_thread_id"]),
        ("DeleteForRunsRequest", ["run_ids"]),
        ("DeltaChannel", ["writes", "seed"]),
        ("DeltaChannelHistoryRequest", ["thread_id", "checkpoint_ns", "checkpoint_id", "channels"]),
        ("DeltaChannelHistoryResponse", ["channels"]),
        ("DeltaSeed", ["blob", "value"]),
        ("Failure", ["message", "code", "data"]),
        ("HeadConflict", ["detail", "head"]),
        ("InspectorCaller", ["version", "authentication", "name", "tenant", "scopes", "thread_prefix"]),
        ("InspectorChange", ["path", "change", "before", "after"]),
        ("InspectorChannel", ["channel", "version", "type", "bytes", "is_inner", "is_changed", "value"]),
        ("InspectorCheckpoint", ["row", "has_content", "channels", "writes", "metadata", "document", "metadata_text"]),
        ("InspectorCheckpointRequest", ["thread_id", "checkpoint_ns", "checkpoint_id"]),
        ("InspectorDifference", ["from", "to", "has_content", "same", "state", "metadata"]),
        ("InspectorDifferenceRequest", ["thread_id", "checkpoint_ns", "checkpoint_id", "from_checkpoint_id"]),
        ("InspectorHistory", ["checkpoints"]),
        ("InspectorHistoryRequest", ["thread_id", "limit", "after"]),
        (
            "InspectorRow",
            [
                "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "caller_checkpoint_id", "ts", "step",
                "source",
                "run_id", "nodes", "next", "writes", "interrupts", "errors", "resumed",
            ]
        ),
        ("InspectorWrite", ["task_id", "task_path", "node", "idx", "channel", "type", "bytes", "value"]),
        ("InspectorSizesRequest", ["thread_id"]),
        ("InspectorSizes", ["total", "documents", "writes", "channels", "points"]),
        ("NamespaceSummary", ["checkpoint_ns", "head"] + times + counts),
        ("PruneRequest", ["thread_ids", "strategy", "keep_last", "dry_run"]),
        ("PruneResponse", ["dry_run"] + counts + ["threads"]),
        ("Pin", ["checkpoint_ns", "checkpoint_id"]),
        ("PinResponse", ["checkpoint_ns", "checkpoint_id"]),
        ("PrunedThread", ["thread_id"] + counts + ["kept", "held"]),
        ("Refusal", ["detail"]),
        ("RetentionRequest", ["ttl", "pin", "hold"]),
        ("RetentionResponse", ["thread_id", "ttl", "pin", "hold"]),
        ("SizePoint", ["checkpoint_id", "ts", "logical", "stored", "channels"]),
        ("StoredRows", ["count", "logical", "stored"]),
        ("StoredSize", ["logical", "stored"]),
        ("ThreadListResponse", ["threads"]),
        ("ThreadResponse", ["thread_id"] + times + counts + ["namespaces"]),
        ("ThreadSummary", ["thread_id"] + times + counts),
    ]

    private static let times = ["created", "updated"]
    private static let counts = ["checkpoints", "writes", "blobs", "bytes"]

    @Test("docs/openapi.json is the document that is served")
    func committed() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let committed = try Data(contentsOf: root.appending(path: "docs/openapi.json"))
        #expect(try JSONValue(parsing: Array(committed)) == (try await servedDocument()))
    }
}
