import ArgumentParser
import Authentication
import Checkpoints
import JSON

/// `milepost keys list`: what keys a file has.
struct KeysList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the keys of a file.",
        discussion: "In the order in which they were made. What is secret in a key is not there to be shown."
    )

    @OptionGroup var keys: KeysFileOption

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() throws {
        let file = try keys.file()
        let records = try StartError.fromKeyFile { () throws(APIKeyFileError) in try file.read() }
        let now = APIKeyTime.now
        if json {
            Output.json(["keys": .array(records.map { $0.json(at: now) })])
        } else {
            Self.lines(records, of: file.path, at: now, on: .standardOutput).forEach(Output.line)
        }
    }

    static func lines(
        _ records: [APIKeyRecord],
        of path: String,
        at now: APIKeyTime,
        on terminal: Terminal
    ) -> [String] {
        if records.isEmpty { return ["no keys in \(TerminalText.escaped(path))"] }
        var table = TextTable([
            .init(heading: "ID"), .init(heading: "TENANT", isFlexible: true),
            .init(heading: "SCOPES", dispensability: 1),
            .init(heading: "PREFIX", isFlexible: true, dispensability: 3),
            .init(heading: "CREATED", dispensability: 4), .init(heading: "EXPIRES", dispensability: 2),
            .init(heading: "STATE"), .init(heading: "NOTE", isFlexible: true),
        ])
        for record in records {
            let state = record.state(at: now)
            table.rows.append([
                .init(record.id, .cyan), .init(record.shownTenant), .init(record.scopeNames.joined(separator: ",")),
                .init(record.threadPrefix.text), .init(Shown.time(record.created.description), .dim),
                .init(record.expires.map { Shown.time($0.description) } ?? "never"), .init(state.rawValue, state.style),
                .init(record.note),
            ])
        }
        return table.lines(on: terminal)
    }
}

extension APIKeyRecord.State {
    fileprivate var style: Terminal.Style {
        switch self {
        case .active: .green
        case .expired: .yellow
        case .revoked: .red
        }
    }
}

extension APIKeyRecord {
    /// As the file has it, with the state and without the hash.
    func json(at now: APIKeyTime) -> JSONValue {
        [
            "id": .text(id),
            "tenant": .text(tenant.name.text),
            "scopes": .array(scopeNames.map { .text($0) }),
            "thread_prefix": .text(threadPrefix.text),
            "created": .text(created.description),
            "expires": .text(expires?.description),
            "revoked": .text(revoked?.description),
            "state": .text(state(at: now).rawValue),
            "note": .text(note),
        ]
    }
}
