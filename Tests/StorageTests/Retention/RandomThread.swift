import Checkpoints
import JSON
import TestSupport

/// A thread of random shape: forks, interrupts with and without answers, calls of subgraphs, channels that keep their
/// writes, sends in parents, and values that lie in chains.
struct RandomThread {
    private static let snapshot: [UInt8] = [0xC7, 3, 7, 0x92, 1, 2]
    /// Long enough for a chain.
    private static let common = Array(String(repeating: "the conversation says much the same again; ", count: 60).utf8)

    let key: ThreadKey
    private(set) var checkpoints: [(checkpoint: Checkpoint, blobs: [ChannelBlob], writes: [PendingWrite])] = []
    /// Those that wait for an answer.
    private(set) var waiting: Set<CheckpointPlace> = []

    init(_ key: ThreadKey, _ random: inout SeededGenerator) {
        self.key = key
        let isNamed = Bool.random(using: &random)
        let count = Int.random(in: 3...24, using: &random)
        var answered: Set<Int> = []
        for number in 0..<count {
            let isFork = number > 1 && Int.random(in: 0..<6, using: &random) == 0
            let parent = number == 0 ? nil : isFork ? Int.random(in: 0..<number, using: &random) : number - 1
            let id = Self.id(number)
            add(
                id, "", parent.map(Self.id), isNamed ? #""counters_since_delta_snapshot":{"d":[1,1]}"# : nil, number,
                &random)
            if Int.random(in: 0..<4, using: &random) == 0 {
                checkpoints[checkpoints.count - 1].writes.append(.sample("t", -3, channel: "__interrupt__"))
                // It is answered by going on, or waits.
                if Bool.random(using: &random) {
                    checkpoints[checkpoints.count - 1].writes.append(.sample("t", -4, channel: "__resume__"))
                    answered.insert(number)
                } else {
                    waiting.insert(CheckpointPlace(namespace: "", id: id))
                }
            }
            if Int.random(in: 0..<5, using: &random) == 0 {
                for step in 0..<Int.random(in: 1...3, using: &random) {
                    let namespace = Identifier("node:\(number)")
                    let parents = #""parents":{"":"\#(id.text)"}"#
                    add(
                        Identifier("\(id.text)-\(step)"), namespace,
                        step == 0 ? nil : Identifier("\(id.text)-\(step - 1)"),
                        parents, number * 10 + step, &random)
                }
            }
        }
        for number in answered where !goesOn(Self.id(number)) {
            waiting.insert(CheckpointPlace(namespace: "", id: Self.id(number)))
        }
    }

    private static func id(_ number: Int) -> Identifier { Identifier("c\(number + 100)") }

    private func goesOn(_ id: Identifier) -> Bool {
        checkpoints.contains { $0.checkpoint.parentID == id && $0.checkpoint.key.namespace.isEmpty }
    }

    private mutating func add(
        _ id: Identifier, _ namespace: Identifier, _ parent: Identifier?, _ metadata: String?, _ number: Int,
        _ random: inout SeededGenerator
    ) {
        var blobs = [
            ChannelBlob.sample("n", Identifier("\(number)"), Self.common + Array("\(namespace.text) \(number)".utf8))
        ]
        if Int.random(in: 0..<4, using: &random) == 0 {
            blobs.append(.sample("d", Identifier("\(number)"), Self.snapshot + [UInt8(number % 250)]))
        }
        let version = Int.random(in: 0..<5, using: &random) == 0 ? 3 : 4
        let document =
            #"{"v":\#(version),"ts":"2026-01-01T00:00:00+00:00","#
            + #""channel_versions":{"n":"\#(number)","d":"\#(number)","e":"\#(number)"}}"#
        let source = #"{"source":"loop"\#(metadata.map { ",\($0)" } ?? "")}"#
        let checkpoint = Checkpoint(
            key: .sample(id, thread: key, namespace: namespace),
            parentID: parent,
            document: JSONText(trusted: Array(document.utf8)),
            metadata: JSONText(trusted: Array(source.utf8))
        )
        var writes = [PendingWrite.sample("t", 0, channel: "d", [UInt8(number % 250)])]
        if Bool.random(using: &random) { writes.append(.sample("s", 0, channel: "__pregel_tasks")) }
        checkpoints.append((checkpoint, blobs, writes))
    }

    func put(in store: some CheckpointStore) async throws {
        for (checkpoint, blobs, writes) in checkpoints {
            try await store.put(checkpoint, blobs: blobs)
            try await store.putWrites(writes, for: checkpoint.key, onConflict: .keepFirst)
        }
    }
}

/// What a checkpoint is worth: all that may be made of it.
struct CheckpointState: Equatable {
    let document: JSONText
    let blobs: [ChannelBlob]
    let writes: [PendingWrite]
    let sends: [PendingWrite]
    let history: [ChannelHistory]

    static func all(
        of thread: ThreadKey, in store: some CheckpointStore
    ) async throws -> [CheckpointPlace: CheckpointState] {
        var states: [CheckpointPlace: CheckpointState] = [:]
        var next: ListPlace?
        repeat {
            let page = try await store.list(CheckpointQuery(scope: .thread(thread), after: next))
            for tuple in page.tuples {
                let key = tuple.checkpoint.key
                // One that a sweep took meanwhile.
                guard
                    let tuple = try await store.tuple(
                        in: thread,
                        namespace: key.namespace,
                        id: key.id,
                        parts: [.blobs, .pendingWrites, .parentSends]
                    )
                else { continue }
                // A checkpoint that has the value itself is made from nothing else.
                let isReplayed = !tuple.blobs.contains { $0.channel == "d" }
                states[CheckpointPlace(namespace: key.namespace, id: key.id)] = CheckpointState(
                    document: tuple.checkpoint.document,
                    blobs: tuple.blobs,
                    writes: tuple.pendingWrites,
                    sends: tuple.parentSends,
                    history: isReplayed
                        ? try await store.history(of: ["d"], in: thread, namespace: key.namespace, id: key.id) : []
                )
            }
            next = page.next
        } while next != nil
        return states
    }
}
