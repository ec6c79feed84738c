import CheckpointAPI
import Foundation
import HTTPTypes
import JSON
import Synchronization
import Testing

/// What the published API's document says of the five calls, stated here once more: generated clients depend on it.
@Suite("The OpenAPI document", .timeLimit(.minutes(1)))
struct OpenAPITests {
    private func document() async throws -> JSONValue {
        let served = Mutex("")
        try await APIClient.run { client in
            let answer = try await client.send(.get, "/openapi.json")
            #expect(answer.status == 200)
            served.withLock { $0 = answer.body }
        }
        return try JSONValue(parsing: Array(served.withLock { $0 }.utf8))
    }

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

    @Test("it has these calls and no other, each with these parts and no other")
    func paths() async throws {
        let document = try await document()
        #expect(document["openapi"] == "3.1.0")
        let expected: JSONValue = .object(
            Self.calls.map { call in
                let content = call.answer.map { #","content":{"application/json":{"schema":\#($0)}}"# } ?? ""
                let text = """
                    {"post":{"tags":["Checkpoints"],"summary":"\(call.summary)","operationId":"\(call.id)",\
                    "requestBody":{"content":{"application/json":{"schema":\
                    {"$ref":"#/components/schemas/\(call.request)"}}},"required":true},\
                    "responses":{"\(call.status)":{"description":"Successful Response"\(content)},\
                    "422":{"description":"Validation Error","content":{"application/json":{"schema":\
                    {"$ref":"#/components/schemas/HTTPValidationError"}}}}}}}
                    """
                return JSONMember(name: JSONString(call.path), value: parsed(text))
            }
        )
        #expect(document["paths"] == expected)
    }

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
        ("CheckpointListItem", key + checkpoint),
        (
            "CheckpointTupleResponse",
            key + checkpoint + [
                ("blobs", ##"{"items":{"$ref":"#/components/schemas/BlobResponse"},"type":"array","title":"Blobs"}"##),
                (
                    "pending_writes",
                    ##"{"items":{"$ref":"#/components/schemas/WriteResponse"},"type":"array","title":"Pending Writes"}"##
                ),
            ]
        ),
        ("DeleteThreadRequest", [("thread_id*", #"{"type":"string","title":"Thread ID"}"#)]),
        (
            "GetCheckpointTupleRequest",
            [
                ("thread_id*", #"{"type":"string","title":"Thread ID"}"#), namespace,
                ("checkpoint_id", nullable("Checkpoint ID (None = latest)")),
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
            ]
        ),
        (
            "WriteResponse",
            [
                ("task_id*", #"{"type":"string","title":"Task Id"}"#), ("idx*", #"{"type":"integer","title":"Idx"}"#),
                ("channel*", #"{"type":"string","title":"Channel"}"#), ("type", nullable("Type")),
                ("blob", nullable("Blob")),
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

    private static func nullable(_ title: String) -> String {
        #"{"anyOf":[{"type":"string"},{"type":"null"}],"title":"\#(title)"}"#
    }

    @Test("it has these schemas and no other, each with these fields, defaults and required list")
    func components() async throws {
        let document = try await document()
        let expected: JSONValue = .object(
            Self.schemas.map { schema in
                let fields = schema.fields.map { "\"\($0.0.replacing("*", with: ""))\":\($0.1)" }.joined(separator: ",")
                let required = schema.fields.filter { $0.0.hasSuffix("*") }.map { "\"\($0.0.dropLast())\"" }
                let list = required.isEmpty ? "" : "\"required\":[\(required.joined(separator: ","))],"
                let text = "{\"properties\":{\(fields)},\"type\":\"object\",\(list)\"title\":\"\(schema.name)\"}"
                return JSONMember(name: JSONString(schema.name), value: parsed(text))
            }
        )
        #expect(document["components"]?["schemas"] == expected)
    }

    @Test("docs/openapi.json is the document that is served")
    func committed() async throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let committed = try Data(contentsOf: root.appending(path: "docs/openapi.json"))
        #expect(try JSONValue(parsing: Array(committed)) == (try await document()))
    }

    private func parsed(_ text: String) -> JSONValue {
        do {
            return try JSONValue(parsing: Array(text.utf8))
        } catch {
            Issue.record("not JSON: \(text): \(error)")
            return .null
        }
    }
}
