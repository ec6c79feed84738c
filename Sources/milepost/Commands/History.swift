import ArgumentParser
import JSON

/// `milepost history`: the checkpoints of a thread, and which came from which.
struct History: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Draw the tree of a thread's checkpoints.",
        usage: "milepost history [<url>] <thread> [--limit <number>] [--json] [--api-key-file <path>]",
        discussion: """
            Newest first, each namespace by itself, the root's before those of its subgraphs; a fork is a line of its \
            own. NODES are those that ran to make the checkpoint. The URL may be left out: MILEPOST_URL is taken, else \
            http://127.0.0.1:5003.

            EXAMPLES
              milepost history conversation-7
                  every checkpoint of the thread
              milepost history http://10.0.0.7:5003 conversation-7 --limit 20
                  the newest twenty, from another server
            """
    )

    @Argument(help: ArgumentHelp("The server's URL, and the thread.", valueName: "url-and-thread"))
    var arguments: [String] = []

    @OptionGroup var remote: RemoteOptions

    @Option(help: ArgumentHelp("Read so many checkpoints at most, the newest (default: all).", valueName: "number"))
    var limit: Int?

    func run() async throws {
        let (server, rest) = try remote.read(arguments)
        let thread = try ThreadArguments(rest, atMost: 0).thread
        if let limit, limit < 1 { throw StartError.usage("--limit is \(limit); give 1 or more") }
        let history = try await server.ask { try await ThreadHistory.read(thread, limit: limit, from: $0) }
        guard history.count > 0 else { throw server.unknown(thread) }
        if remote.json {
            Output.json(history.json(of: thread))
            return
        }
        history.lines(on: .standardOutput).forEach(Output.line)
        if let limit, history.count == limit { Output.line("… there may be more: without --limit all are shown") }
    }
}

/// What follows the URL: a thread, and checkpoints of it.
struct ThreadArguments {
    let thread: String
    let checkpoints: [String]

    init(_ arguments: [String], atMost count: Int) throws(StartError) {
        guard let thread = arguments.first, !thread.isEmpty else {
            throw .usage("give the thread; 'milepost threads' lists them")
        }
        guard arguments.count <= 1 + count else {
            throw .usage(
                "'\(TerminalText.escaped(arguments[1 + count]))' is not expected; a server's URL comes first, "
                    + "and begins with http:// or https://"
            )
        }
        self.thread = thread
        checkpoints = Array(arguments.dropFirst())
    }
}

extension RemoteServer {
    func unknown(_ thread: String, namespace: String = "") -> StartError {
        let (thread, url) = (TerminalText.escaped(thread), TerminalText.escaped(url))
        if namespace.isEmpty { return .machine("no thread '\(thread)' on \(url); 'milepost threads' lists them") }
        return .machine(
            "no namespace '\(TerminalText.escaped(namespace))' in thread '\(thread)' on \(url); "
                + "'milepost history' lists those of a thread"
        )
    }
}

extension ThreadHistory {
    /// Every namespace under its name; the root's stands alone when there is no other.
    func lines(on terminal: Terminal) -> [String] {
        namespaces.enumerated().flatMap { index, namespace in
            let isNamed = namespaces.count > 1 || !namespace.name.isEmpty
            let name = namespace.name.isEmpty ? "(root)" : TerminalText.escaped(namespace.name)
            let heading = isNamed ? [terminal.paint("namespace \(name)", .bold)] : []
            return (index > 0 ? [""] : []) + heading + namespace.lines(on: terminal)
        }
    }

    func json(of thread: String) -> JSONValue {
        [
            "thread_id": .text(thread),
            "namespaces": .array(
                namespaces.map { namespace in
                    [
                        "checkpoint_ns": .text(namespace.name),
                        "head": namespace.entries.first.map { .string($0.id) } ?? .null,
                        "checkpoints": .array(namespace.entries.map(\.json)),
                    ]
                }
            ),
        ]
    }
}

extension ThreadHistory.Namespace {
    fileprivate func lines(on terminal: Terminal) -> [String] {
        var table = TextTable([
            .init(heading: "CHECKPOINT"), .init(heading: "STEP", isNumber: true),
            .init(heading: "SOURCE", dispensability: 1), .init(heading: "TIME", dispensability: 2),
            .init(heading: "NODES", isFlexible: true), .init(heading: "", isFlexible: true),
        ])
        let graph = HistoryGraph(entries.map { HistoryGraph.Node(id: $0.id, parent: $0.parent) })
        let room = graph.rows.reduce(0) { widest, row in
            switch row {
            case .node(_, let drawn), .join(let drawn): max(widest, TerminalText.width(drawn))
            }
        }
        let known = Set(entries.map(\.id))
        for row in graph.rows {
            switch row {
            case .join(let drawn): table.rows.append([.init(drawn)] + (1..<table.columns.count).map { _ in .init("") })
            case .node(let index, let drawn):
                let entry = entries[index]
                let padding = String(repeating: " ", count: room - TerminalText.width(drawn) + 1)
                let (notes, style) = entry.notes(isCutOff: entry.parent.map { !known.contains($0) } ?? false)
                table.rows.append([
                    .init(drawn + padding + entry.name, entry.isHead ? .bold : nil),
                    .init(entry.step == .null ? "-" : String(decoding: entry.step.text.bytes, as: UTF8.self)),
                    .init(entry.source ?? "-"), .init(Shown.time(entry.time), .dim),
                    .init(entry.nodes.joined(separator: ", ")), .init(notes, style),
                ])
            }
        }
        return table.lines(on: terminal)
    }
}

extension ThreadHistory.Entry {
    fileprivate var name: String { id.string ?? String(decoding: id.wtf8, as: UTF8.self) }

    /// What makes this checkpoint another than the rest, the worst of it as a colour.
    fileprivate func notes(isCutOff: Bool) -> (String, Terminal.Style?) {
        var notes: [String] = []
        if isHead { notes.append("head") }
        if errors > 0 { notes.append(errors == 1 ? "error" : "\(errors.grouped) errors") }
        if interrupts > 0 {
            let words = interrupts == 1 ? "interrupt" : "\(interrupts.grouped) interrupts"
            notes.append(isResumed ? "\(words), resumed" : words)
        }
        if isCutOff { notes.append("parent not here") }
        return (
            notes.joined(separator: ", "),
            errors > 0 ? .red : interrupts > 0 && !isResumed ? .yellow : isHead ? .green : .dim
        )
    }

    fileprivate var json: JSONValue {
        [
            "checkpoint_id": .string(id),
            "parent_checkpoint_id": parent.map { .string($0) } ?? .null,
            "ts": .text(time),
            "step": step,
            "source": .text(source),
            "nodes": .array(nodes.map { .text($0) }),
            "head": .bool(isHead),
            "pending_writes": .number(JSONNumber(writes)),
            "interrupts": .number(JSONNumber(interrupts)),
            "errors": .number(JSONNumber(errors)),
            "resumed": .bool(isResumed),
        ]
    }
}
