import ArgumentParser
import JSON
import MilepostClient
import Serde

/// `milepost diff`: what changed from one checkpoint to another.
struct Diff: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what differs between two checkpoints of a thread.",
        usage: """
            milepost diff [<url>] <thread> [[<from>] <to>] [--namespace <name>] [--full] [--json] \
            [--api-key-file <path>]
            """,
        discussion: """
            With one checkpoint: from its parent to it. With none: what the last step did. The URL may be left out: \
            MILEPOST_URL is taken, else http://127.0.0.1:5003.

            EXAMPLES
              milepost diff conversation-7
                  what the last step changed
              milepost diff conversation-7 1f0d2c4e-0000-6000-8002-000000000002
                  what the step to that checkpoint changed
            """
    )

    @Argument(
        help: ArgumentHelp("The server's URL, the thread, and its checkpoints.", valueName: "url-thread-checkpoints")
    )
    var arguments: [String] = []

    @OptionGroup var remote: RemoteOptions

    @Option(help: ArgumentHelp("The namespace of a subgraph (default: the root).", valueName: "name"))
    var namespace: String = ""

    @Flag(help: "Show long values whole.")
    var full = false

    func run() async throws {
        let (server, rest) = try remote.read(arguments)
        let given = try ThreadArguments(rest, atMost: 2)
        let (before, after) = try await server.ask { client in
            func read(_ id: String?) async throws -> StoredCheckpoint {
                guard let found = try await client.checkpoint(in: given.thread, namespace: namespace, id: id) else {
                    throw server.unknown(given.thread, namespace: namespace, checkpoint: id)
                }
                return found
            }
            let after = try await read(given.checkpoints.last)
            if given.checkpoints.count == 2 { return (try await read(given.checkpoints[0]), after) }
            guard let parent = after.parentID else {
                throw StartError.machine(
                    "checkpoint '\(TerminalText.escaped(after.id))' has no parent; give the two to compare"
                )
            }
            return (try await read(parent), after)
        }
        let comparison = CheckpointComparison(InspectedCheckpoint(before), InspectedCheckpoint(after))
        if remote.json {
            Output.json(comparison.json)
        } else {
            comparison.lines(isFull: full, on: .standardOutput).forEach(Output.line)
        }
    }
}

/// Two checkpoints, and what is different.
struct CheckpointComparison {
    let before: InspectedCheckpoint
    let after: InspectedCheckpoint
    let state: [ValueDifference]
    let metadata: [ValueDifference]

    init(_ before: InspectedCheckpoint, _ after: InspectedCheckpoint) {
        (self.before, self.after) = (before, after)
        state = ValueDifference.between(before.state, after.state)
        metadata = ValueDifference.between(before.metadata, after.metadata)
    }

    func lines(isFull: Bool, on terminal: Terminal) -> [String] {
        func head(_ name: String, _ checkpoint: InspectedCheckpoint) -> String {
            let origin = checkpoint.origin.isEmpty ? "" : "  (\(checkpoint.origin))"
            let text = "\(checkpoint.stored.id)  \(Shown.time(checkpoint.time))\(origin)"
            return terminal.paint(name, .dim) + TerminalText.escaped(text)
        }
        func section(_ name: String, _ differences: [ValueDifference]) -> [String] {
            if differences.isEmpty { return [] }
            return ["", terminal.paint(name, .bold)] + differences.flatMap { $0.lines(isFull: isFull, on: terminal) }
        }
        let channels = Dictionary(before.state.map { ($0.key, $0.value) }) { first, _ in first }
        let same = after.state.count { channels[$0.key] == $0.value }
        let summary = same == 0 ? [] : ["  \(same == 1 ? "1 channel is" : "\(same.grouped) channels are") the same"]
        return [head("from  ", before), head("to    ", after)]
            + (state.isEmpty ? ["", "no channel differs"] : section("STATE", state) + summary)
            + section("METADATA", metadata)
    }

    var json: JSONValue {
        [
            "thread_id": .text(after.stored.threadID),
            "checkpoint_ns": .text(after.stored.namespace),
            "from": .text(before.stored.id),
            "to": .text(after.stored.id),
            "state": .array(state.map(\.json)),
            "metadata": .array(metadata.map(\.json)),
        ]
    }
}

extension ValueDifference {
    /// One line when it fits: `~ count: 1 → 2`.
    fileprivate func lines(isFull: Bool, on terminal: Terminal) -> [String] {
        let width = terminal.width ?? InspectedCheckpoint.pipeWidth
        let path = TerminalText.escaped(path)
        func block(_ mark: String, _ style: Terminal.Style, _ label: String, _ value: DecodedValue) -> [String] {
            BlockText.lines(label, value, width: width - 2, isFull: isFull, indent: 0).map {
                terminal.paint("\(mark) \($0)", style)
            }
        }
        switch change {
        case .added(let value): return block("+", .green, path, value)
        case .removed(let value): return block("-", .red, path, value)
        case .changed(let old, let new):
            let room = width - TerminalText.width(path) - 7
            if let oldLine = InlineText.of(old, room: room, isFull: isFull),
                let newLine = InlineText.of(new, room: room - TerminalText.width(oldLine), isFull: isFull)
            {
                return [terminal.paint("~ \(path): \(oldLine) → \(newLine)", .yellow)]
            }
            return block("-", .red, path, old) + block("+", .green, path, new)
        }
    }
}
