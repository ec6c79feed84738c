import ArgumentParser
import JSON
import MilepostClient
import Serde

/// `milepost show`: one checkpoint with its values.
struct Show: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the state of a thread at a checkpoint.",
        usage: """
            milepost show [<url>] <thread> [--checkpoint <id>] [--namespace <name>] [--full] [--json] \
            [--api-key-file <path>]
            """,
        discussion: """
            The value of every channel, what tasks wrote after the checkpoint, open interrupts and the metadata. \
            Values are decoded for reading only: no object is made and no code of the application runs; pickles and \
            encrypted values stay as they are, secrets are masked. The URL may be left out: MILEPOST_URL is taken, \
            else http://127.0.0.1:5003.

            EXAMPLES
              milepost show conversation-7
                  the newest checkpoint
              milepost show conversation-7 --json | jq '.state.messages[-1].content'
                  what was said last
            """
    )

    @Argument(help: ArgumentHelp("The server's URL, and the thread.", valueName: "url-and-thread"))
    var arguments: [String] = []

    @OptionGroup var remote: RemoteOptions

    @Option(help: ArgumentHelp("The checkpoint (default: the newest).", valueName: "id"))
    var checkpoint: String?

    @Option(help: ArgumentHelp("The namespace of a subgraph (default: the root).", valueName: "name"))
    var namespace: String = ""

    @Flag(help: "Show long values and all fields of objects whole.")
    var full = false

    func run() async throws {
        let (server, rest) = try remote.read(arguments)
        let thread = try ThreadArguments(rest, atMost: 0).thread
        let stored = try await server.ask { client in
            try await client.checkpoint(in: thread, namespace: namespace, id: checkpoint, including: [.taskPath])
        }
        guard let stored else { throw server.unknown(thread, namespace: namespace, checkpoint: checkpoint) }
        let inspected = InspectedCheckpoint(stored)
        if remote.json {
            Output.json(inspected.json)
        } else {
            inspected.lines(isFull: full, on: .standardOutput).forEach(Output.line)
        }
    }
}

extension RemoteServer {
    func unknown(_ thread: String, namespace: String, checkpoint: String?) -> StartError {
        guard let checkpoint else { return unknown(thread, namespace: namespace) }
        let place = namespace.isEmpty ? "" : ", namespace '\(TerminalText.escaped(namespace))'"
        let thread = TerminalText.escaped(thread)
        return .machine(
            "no checkpoint '\(TerminalText.escaped(checkpoint))' in thread '\(thread)'\(place) on "
                + "\(TerminalText.escaped(url)); 'milepost history' lists those of a thread, with their namespaces"
        )
    }
}

extension InspectedCheckpoint {
    /// The columns that a pipe gets, which has none of its own.
    static let pipeWidth = 120

    func lines(isFull: Bool, on terminal: Terminal) -> [String] {
        let width = terminal.width ?? Self.pipeWidth
        func section(_ name: String, _ entries: [(label: String, value: DecodedValue)]) -> [String] {
            guard !entries.isEmpty else { return [] }
            return ["", terminal.paint(name, .bold)]
                + entries.flatMap { BlockText.lines($0.label, $0.value, width: width, isFull: isFull) }
        }
        func named(_ entries: [DecodedEntry]) -> [(label: String, value: DecodedValue)] {
            entries.map { (InlineText.label(of: $0.key), $0.value) }
        }
        var lines = head.map { name, text in
            terminal.paint(name.padding(to: 12), .dim) + TerminalText.escaped(text)
        }
        lines += section("STATE", named(state))
        if state.isEmpty { lines += ["", "no channel has a value"] }
        lines += section(
            isResumed ? "INTERRUPTS (resumed)" : "INTERRUPTS",
            interrupts.map { (TerminalText.escaped($0.task), $0.value) })
        let others = writes.filter { $0.channel != LangGraphChannel.interrupt }
        lines += section("PENDING WRITES", others.map { (TerminalText.escaped($0.place), $0.value) })
        return lines + section("METADATA", named(metadata))
    }

    private var head: [(String, String)] {
        [
            ("thread", stored.threadID),
            ("namespace", stored.namespace.isEmpty ? "(root)" : stored.namespace),
            ("checkpoint", stored.id),
            ("parent", stored.parentID ?? "none"),
            ("time", Shown.time(time) + (origin.isEmpty ? "" : "  (\(origin))")),
        ]
    }

    var json: JSONValue {
        [
            "thread_id": .text(stored.threadID),
            "checkpoint_ns": .text(stored.namespace),
            "checkpoint_id": .text(stored.id),
            "parent_checkpoint_id": .text(stored.parentID),
            "ts": .text(time),
            "state": DecodedValue.map(state).json,
            "interrupts": .array(
                interrupts.flatMap { write in
                    if case .array(let interrupts) = write.value { interrupts.map(\.json) } else { [write.value.json] }
                }
            ),
            "pending_writes": .array(writes.map(\.json)),
            "metadata": stored.metadata,
        ]
    }
}

extension InspectedCheckpoint.Write {
    /// The node that the task ran, where its path is that of a node, else its id.
    fileprivate var task: String {
        taskPath.flatMap { LangGraphChannel.node(ofTaskPath: $0) } ?? taskID
    }

    /// The task, and the channel it wrote to.
    fileprivate var place: String { "\(task) → \(channel)" }

    fileprivate var json: JSONValue {
        [
            "task_id": .text(taskID),
            "idx": .number(JSONNumber(index)),
            "channel": .text(channel),
            "task_path": .text(taskPath),
            "value": value.json,
        ]
    }
}

extension String {
    fileprivate func padding(to width: Int) -> String {
        self + String(repeating: " ", count: max(0, width - utf8.count))
    }
}
