import ArgumentParser
import Authentication
import Checkpoints

/// `milepost keys create`: makes a key and prints it, once.
struct KeysCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Make a key and print it, this once.",
        discussion: """
            The key alone goes to standard output; what is to be said of it to standard error. The file is made when \
            there is none.

            EXAMPLES
              milepost keys create --keys-file keys.json
                  for all of the default tenant, for ever
              milepost keys create --keys-file keys.json --tenant acme --scopes read --expires 12h --note dashboard
              milepost keys create --keys-file keys.json --thread-prefix support- --expires 2027-01-31T00:00:00Z
            """
    )

    @OptionGroup var keys: KeysFileOption
    @OptionGroup var audit: AuditOption

    @Option(help: ArgumentHelp("Whose threads the key opens (default: the default tenant).", valueName: "name"))
    var tenant = ""

    @Option(
        help: ArgumentHelp(
            "What its holder may do, with commas: read, write, delete, admin, inspect.", valueName: "scopes"))
    var scopes = "read,write,delete"

    @Option(
        help: ArgumentHelp(
            "When it ends: in so many days (90d) or hours (12h), or at a time of RFC 3339 (default: never).",
            valueName: "when"
        )
    )
    var expires: String?

    @Option(
        help: ArgumentHelp("What the ids of its threads begin with (default: any thread).", valueName: "text"))
    var threadPrefix = ""

    @Option(help: ArgumentHelp("What it is for, shown by 'milepost keys list'.", valueName: "text"))
    var note = ""

    func run() throws {
        let file = try keys.file()
        let scopes = try Self.scopes(scopes)
        let now = APIKeyTime.now
        let expires = try expires.map { text throws(StartError) in try Self.expiry(text, from: now) }
        try audit.write(.keyCreated, .begun, "in \(file.path)")
        let (key, record) = try StartError.fromKeyFile { () throws(APIKeyFileError) in
            try file.create(
                tenant: Tenant(name: Identifier(tenant)), scopes: scopes, expires: expires,
                threadPrefix: Identifier(threadPrefix), note: note, at: now
            )
        }
        try audit.write(.keyCreated, .done, "key \(record.id) in \(file.path)")
        Output.line(key.text)
        Self.explanation(of: record, in: file.path).forEach(Output.note)
    }

    static func explanation(of record: APIKeyRecord, in path: String) -> [String] {
        let prefix = record.threadPrefix.text
        let threads = prefix.isEmpty ? "all threads" : "threads that begin with \(TerminalText.quoted(prefix))"
        return [
            "made key \(record.id): tenant \(TerminalText.escaped(record.shownTenant)), \(threads), "
                + record.scopeNames.joined(separator: ", "),
            record.expires.map { "it expires at \($0)" }
                ?? "it never expires; give --expires 90d for one that does",
            "keep the key safe: it is not shown again, and \(TerminalText.escaped(path)) has no more than its hash",
        ]
    }

    static func scopes(_ text: String) throws(StartError) -> Set<Scope> {
        var scopes: Set<Scope> = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let scope = Scope(rawValue: String(name)) else {
                let known = Scope.allCases.map(\.rawValue).joined(separator: ", ")
                throw .usage("--scopes has '\(TerminalText.escaped(String(name)))'; give some of \(known), with commas")
            }
            scopes.insert(scope)
        }
        return scopes
    }

    static func expiry(_ text: String, from now: APIKeyTime) throws(StartError) -> APIKeyTime {
        let units: [Character: Int] = ["d": 86_400, "h": 3_600]
        let digits = text.dropLast()
        let isCount = !digits.isEmpty && digits.utf8.allSatisfy { (0x30...0x39).contains($0) }
        let time: APIKeyTime
        if isCount, let unit = text.last.flatMap({ units[$0] }) {
            let most = (APIKeyTime.last.seconds - now.seconds) / unit
            guard let count = Int(digits), count <= most else {
                throw .usage("--expires \(TerminalText.escaped(text)) is after the year 9999; leave it out for never")
            }
            time = APIKeyTime(seconds: now.seconds + count * unit)
        } else if let named = APIKeyTime(text) {
            time = named
        } else {
            throw .usage(
                "--expires '\(TerminalText.escaped(text))' is not a time; give days (90d), hours (12h) or a time such as "
                    + "2027-01-31T00:00:00Z"
            )
        }
        guard time > now else {
            throw .usage("--expires \(TerminalText.escaped(text)) is not after now; give a later time")
        }
        return time
    }
}
