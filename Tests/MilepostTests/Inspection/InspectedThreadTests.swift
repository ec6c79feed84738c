import JSON
import MilepostClient
import Testing

@testable import milepost

@Suite("A thread as the commands show it")
struct InspectedThreadTests {
    private let plain = Terminal(width: 100, hasColours: false)

    /// A checkpoint as the server gives it.
    private func checkpoint(
        _ id: String,
        parent: String?,
        namespace: String = "",
        step: Int,
        seen: JSONValue = [:],
        values: JSONValue = [:],
        blobs: [JSONValue] = [],
        writes: [JSONValue] = []
    ) throws -> StoredCheckpoint {
        try StoredCheckpoint([
            "thread_id": "t", "checkpoint_ns": .text(namespace), "checkpoint_id": .text(id),
            "parent_checkpoint_id": .text(parent),
            "checkpoint": ["ts": "2026-01-02T03:04:05+00:00", "channel_values": values, "versions_seen": seen],
            "metadata": ["source": "loop", "step": .number(JSONNumber(step))],
            "blobs": .array(blobs), "pending_writes": .array(writes),
        ])
    }

    private func write(
        _ channel: String,
        _ type: String = "null",
        _ base64: String = "",
        path: String? = nil
    ) -> JSONValue {
        [
            "task_id": "task", "idx": 0, "channel": .text(channel), "type": .text(type), "blob": .text(base64),
            "task_path": .text(path),
        ]
    }

    private func lines(_ checkpoints: [StoredCheckpoint]) -> [String] {
        ThreadHistory(checkpoints.map { ($0.namespace, ThreadHistory.Entry($0)) }).lines(on: plain)
    }

    @Test("history: forks, the nodes that ran, interrupts, errors, the head")
    func history() throws {
        let asked = [write("__interrupt__")]
        let found = try lines([
            checkpoint(
                "5", parent: "2", step: 2, seen: ["plan": ["x": 1], "ask": ["y": 1]], writes: [write("__error__")]),
            checkpoint("4", parent: "3", step: 3, seen: ["plan": ["x": 2], "ask": ["y": 1]], writes: asked),
            checkpoint("3", parent: "2", step: 2, seen: ["plan": ["x": 1], "ask": ["y": 1]]),
            checkpoint("2", parent: "1", step: 1, seen: ["plan": ["x": 1]], writes: asked + [write("__resume__")]),
            checkpoint("1", parent: "0", step: 0, seen: ["__input__": [:]]),
        ])
        #expect(
            found == [
                "CHECKPOINT  STEP  SOURCE  TIME                  NODES",
                "●   5          2  loop    2026-01-02 03:04:05Z  ask    head, error",
                "│ ● 4          3  loop    2026-01-02 03:04:05Z  plan   interrupt",
                "│ ● 3          2  loop    2026-01-02 03:04:05Z  ask",
                "├─╯",
                "●   2          1  loop    2026-01-02 03:04:05Z  plan   interrupt, resumed",
                "●   1          0  loop    2026-01-02 03:04:05Z         parent not here",
            ]
        )
    }

    @Test("history: each namespace under its name, what a terminal would obey escaped")
    func namespaces() throws {
        let found = try lines([
            checkpoint("2", parent: nil, namespace: "child\u{1b}:1", step: 0), checkpoint("1", parent: nil, step: 0),
        ])
        #expect(found.filter { $0.hasPrefix("namespace") } == ["namespace (root)", #"namespace child\u001b:1"#])
        #expect(found[1].hasPrefix("CHECKPOINT") && found[3] == "" && found.count == 7)
    }

    @Test("show: values from the document and from blobs, LangGraph's own channels last, open interrupts apart")
    func show() throws {
        let inspected = InspectedCheckpoint(
            try checkpoint(
                "2",
                parent: "1",
                step: 1,
                values: ["branch:to:x": .null, "count": 2, "big": true],
                blobs: [
                    ["channel": "big", "version": "1", "type": "msgpack", "blob": "xwMHkgEC"],
                    ["channel": "gone", "version": "1", "type": "empty", "blob": .null],
                    ["channel": "cipher", "version": "1", "type": "msgpack+aes", "blob": "AAAA"],
                ],
                writes: [
                    write("__interrupt__", "msgpack", "kaE/", path: "~__pregel_pull, ask"),
                    write("count", "msgpack", "Aw==", path: "~__pregel_push, 0000000000"),
                ]
            )
        )
        #expect(
            inspected.lines(isFull: false, on: plain) == [
                "thread      t", "namespace   (root)", "checkpoint  2", "parent      1",
                "time        2026-01-02 03:04:05Z  (step 1, loop)",
                "", "STATE", "  big: snapshot [1, 2]",
                "  cipher: <encrypted, 3 bytes: encrypted with aes, msgpack inside>", "  count: 2",
                "  branch:to:x: null",
                "", "INTERRUPTS", #"  ask: ["?"]"#, "", "PENDING WRITES", #"  task → count: 3"#,
                "", "METADATA", #"  source: "loop""#, "  step: 1",
            ]
        )
        let json = String(decoding: inspected.json.text.bytes, as: UTF8.self)
        #expect(json.contains(#""state":{"big":{"$snapshot":[1,2]},"cipher":{"$opaque":"encrypted""#))
        #expect(json.contains(#""interrupts":["?"]"#))
    }

    @Test("diff: channels and metadata that differ, and how many do not")
    func diff() throws {
        let before = try checkpoint("1", parent: nil, step: 1, values: ["a": 1, "b": [1], "c": 0, "d": "x"])
        let after = try checkpoint("2", parent: "1", step: 2, values: ["a": 2, "b": [1, 2], "d": "x", "e": .null])
        let comparison = CheckpointComparison(InspectedCheckpoint(before), InspectedCheckpoint(after))
        #expect(
            comparison.lines(isFull: false, on: plain) == [
                "from  1  2026-01-02 03:04:05Z  (step 1, loop)", "to    2  2026-01-02 03:04:05Z  (step 2, loop)",
                "", "STATE", "~ a: 1 → 2", "+ b[1]: 2", "+ e: null", "- c: 0", "  1 channel is the same",
                "", "METADATA", "~ step: 1 → 2",
            ]
        )
        let same = CheckpointComparison(InspectedCheckpoint(before), InspectedCheckpoint(before))
        #expect(same.lines(isFull: false, on: plain).last == "no channel differs")
        #expect(
            String(decoding: comparison.json.text.bytes, as: UTF8.self).contains(
                #"{"path":"a","change":"changed","before":1,"after":2}"#
            )
        )
    }
}
