import ArgumentParser
import JSON
import MilepostClient

/// `milepost threads`: what threads a server has.
struct Threads: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the threads of a server.",
        usage: "milepost threads [<url>] [--limit <number>] [--json] [--api-key-file <path>] [--timeout <seconds>]",
        discussion: """
            The thread that changed last comes first. The URL may be left out: MILEPOST_URL is taken, else \
            http://127.0.0.1:5003.

            EXAMPLES
              milepost threads --limit 10
                  the ten that changed last
              milepost threads http://10.0.0.7:5003 --json
                  all of another server, as one JSON object
            """
    )

    @Argument(help: ArgumentHelp("The server's URL.", valueName: "url"))
    var arguments: [String] = []

    @OptionGroup var remote: RemoteOptions

    @Option(help: ArgumentHelp("Print so many at most (default: all).", valueName: "number"))
    var limit: Int?

    func run() async throws {
        let (server, rest) = try remote.read(arguments)
        if let extra = rest.first {
            throw StartError.usage(
                "'\(TerminalText.escaped(extra))' is not expected; a server's URL begins with http:// or https://"
            )
        }
        if let limit, limit < 1 { throw StartError.usage("--limit is \(limit); give 1 or more") }
        var threads: [ThreadSummary] = try await server.ask { client in
            var threads: [ThreadSummary] = []
            var cursor: String?
            repeat {
                let page = try await client.threads(after: cursor)
                threads += page.elements
                cursor = page.next
            } while cursor != nil
            return threads
        }
        let total = threads.count
        threads = Array(threads.newestFirst.prefix(limit ?? total))
        if remote.json {
            Output.json(["threads": .array(threads.map(\.json))])
            return
        }
        Self.lines(threads, of: total, server: server.url, on: .standardOutput).forEach(Output.line)
    }

    static func lines(_ threads: [ThreadSummary], of total: Int, server: String, on terminal: Terminal) -> [String] {
        if threads.isEmpty { return ["no threads on \(TerminalText.escaped(server))"] }
        var table = TextTable([
            .init(heading: "THREAD"), .init(heading: "CREATED", dispensability: 4), .init(heading: "UPDATED"),
            .init(heading: "CHECKPOINTS", isNumber: true, dispensability: 2),
            .init(heading: "WRITES", isNumber: true, dispensability: 3),
            .init(heading: "SIZE", isNumber: true, dispensability: 1),
        ])
        for thread in threads {
            let counts = thread.counts
            table.rows.append([
                .init(thread.id, .cyan), .init(Shown.time(counts.created), .dim), .init(Shown.time(counts.updated)),
                .init(counts.checkpoints.grouped), .init(counts.writes.grouped), .init(Shown.size(counts.bytes)),
            ])
        }
        let rest = total - threads.count
        return table.lines(on: terminal) + (rest > 0 ? ["… \(rest.grouped) more: without --limit all are shown"] : [])
    }
}

extension [ThreadSummary] {
    /// Those that changed last first; threads of one moment in the order of their ids.
    var newestFirst: [ThreadSummary] {
        sorted { left, right in
            let (leftTime, rightTime) = (left.counts.updated ?? "", right.counts.updated ?? "")
            if leftTime != rightTime { return rightTime.utf8.lexicographicallyPrecedes(leftTime.utf8) }
            return left.id.utf8.lexicographicallyPrecedes(right.id.utf8)
        }
    }
}

extension ThreadSummary {
    /// As the server gives it.
    fileprivate var json: JSONValue {
        [
            "thread_id": .text(id),
            "created": .text(counts.created),
            "updated": .text(counts.updated),
            "checkpoints": .number(JSONNumber(counts.checkpoints)),
            "writes": .number(JSONNumber(counts.writes)),
            "blobs": .number(JSONNumber(counts.blobs)),
            "bytes": .number(JSONNumber(counts.bytes)),
        ]
    }
}

extension JSONValue {
    /// A string, or null.
    static func text(_ text: String?) -> JSONValue {
        text.map { .string(JSONString($0)) } ?? .null
    }
}
