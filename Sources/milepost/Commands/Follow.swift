import ArgumentParser
import JSON
import MilepostClient

/// `milepost follow`: what happens to a thread, as it happens.
struct Follow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Follow a thread: print what is committed to it, as it happens.",
        usage: "milepost follow [<url>] <thread> [--json] [--api-key-file <path>]",
        discussion: """
            A line for each checkpoint, each write and each deletion, until Ctrl-C. When the connection breaks it goes on where \
            it was. The URL may be left out: MILEPOST_URL is taken, else http://127.0.0.1:5003. --timeout is of no use here.

            EXAMPLES
              milepost follow thread-1
                  the thread's events on this machine's server
              milepost follow http://10.0.0.7:5003 thread-1 --json
                  the same of another server, one JSON object a line
            """
    )

    @Argument(help: ArgumentHelp("The server's URL, and the thread's id.", valueName: "url> <thread"))
    var arguments: [String] = []

    @OptionGroup var remote: RemoteOptions

    func run() async throws {
        let (server, rest) = try remote.read(arguments)
        guard let thread = rest.first, rest.count == 1 else {
            throw StartError.usage("give one thread, as in: milepost follow thread-1")
        }
        var last: String?
        while true {
            do {
                try await server.ask { client in
                    try await client.events(of: thread, after: last) { event in
                        last = event.id ?? last
                        if remote.json { Output.json(event.json) } else { Output.line(Self.line(event)) }
                        Output.flush()
                    }
                }
            } catch {
                // A server that was never reached is said at once.
                guard last != nil else { throw error }
                Output.note("milepost: the connection broke; trying again")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// The event's name, what it is about, and what there is to say of it.
    static func line(_ event: ThreadEvent) -> String {
        var words = [event.name]
        if let id = event.checkpointID { words.append(id) }
        if let namespace = event.namespace, !namespace.isEmpty { words.append("in \(namespace)") }
        switch event.name {
        case "checkpoint":
            for name in ["source", "step"] { if let text = event.data[name]?.plainText { words.append(text) } }
        case "writes":
            guard case .array(let tasks)? = event.data["tasks"] else { break }
            let channels = tasks.flatMap { task -> [String] in
                guard case .array(let channels)? = task["channels"] else { return [] }
                return channels.compactMap(\.plainText)
            }
            words.append(Array(Set(channels)).sorted().joined(separator: ", "))
        case "thread": if let count = event.data["checkpoints"]?.plainText { words.append("\(count) checkpoints") }
        default: break
        }
        return TerminalText.escaped(words.joined(separator: "  "))
    }
}

extension ThreadEvent {
    /// As `--json` prints it.
    fileprivate var json: JSONValue {
        .object([
            JSONMember(name: "event", value: .string(JSONString(name))),
            JSONMember(name: "id", value: id.map { .string(JSONString($0)) } ?? .null),
            JSONMember(name: "data", value: data),
        ])
    }
}

extension JSONValue {
    /// A text or a number; nil for anything else.
    fileprivate var plainText: String? {
        switch self {
        case .string(let text): text.string
        case .number(let number): number.text
        default: nil
        }
    }
}
