import CLibPQ
package import Checkpoints
import Glibc

/// Where PostgreSQL is: any connection string that libpq takes, as a URL or as `keyword=value` pairs.
///
/// What it does not say libpq looks up as usual: `PGHOST` and its like, the password file, the service file.
/// https://www.postgresql.org/docs/15/libpq-connect.html#LIBPQ-CONNSTRING
package struct ConnectionString: Hashable, Sendable {
    /// In libpq's order; without the password.
    private let options: [Option]
    private let password: String?

    private struct Option: Hashable {
        let keyword: String
        let value: String
    }

    /// Whether a text looks as if it was meant to be one.
    package static func isNamed(by text: String) -> Bool {
        text.hasPrefix("postgresql:") || text.hasPrefix("postgres:")
            || text.prefix { $0 != "=" }.allSatisfy { $0.isLowercase || $0 == "_" } && text.contains("=")
    }

    /// `password` counts before the one in the text; nil for none of its own.
    ///
    /// Throws libpq's words, which do not quote the text.
    package init(_ text: String, password: String? = nil) throws(StoreOpenError) {
        var message: UnsafeMutablePointer<CChar>?
        guard let parsed = PQconninfoParse(text, &message) else {
            defer { PQfreemem(message) }
            let words = message.map { String(cString: $0) } ?? ""
            throw StoreOpenError(
                .notAccessible,
                "the connection string cannot be read\(Self.isSafe(words, in: text) ? ": \(words.oneLine)" : "")",
                hint: "give one that psql takes, such as postgresql://user@host:5432/database"
            )
        }
        defer { PQconninfoFree(parsed) }
        var options: [Option] = []
        var own: String?
        var next = parsed
        while let keyword = next.pointee.keyword {
            if let value = next.pointee.val {
                let option = Option(keyword: String(cString: keyword), value: String(cString: value))
                if option.keyword == "password" { own = option.value } else { options.append(option) }
            }
            next += 1
        }
        self.options = options
        self.password = password ?? own
    }

    /// For logs and messages: host, port, database and settings such as the search path, nothing secret.
    package var description: String {
        let hosts = (value("host") ?? value("hostaddr") ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let ports = (value("port") ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let places = hosts.enumerated().map { number, host in
            let port = ports.count == 1 ? ports[0] : ports.indices.contains(number) ? ports[number] : ""
            return port.isEmpty ? String(host) : "\(host):\(port)"
        }
        let settings = value("options").map { "?options=\($0)" } ?? ""
        return "postgresql://\(places.joined(separator: ","))/\(value("dbname") ?? "")\(settings)"
    }

    /// What libpq is given beyond what it was told.
    private static let defaults = [
        // A server that takes changes, whichever of the hosts it is now.
        Option(keyword: "target_session_attrs", value: "read-write"),
        // Seconds for each host: a fail-over must not wait for a host that is gone.
        Option(keyword: "connect_timeout", value: "2"),
        // Milliseconds until unacknowledged data mean that the other side is gone.
        Option(keyword: "tcp_user_timeout", value: "5000"),
        Option(keyword: "fallback_application_name", value: "milepost"),
    ]

    /// A connection that is established or says why it is not; the caller ends it.
    func connect() throws(PostgresFailure) -> OpaquePointer {
        var all = Self.defaults.filter { value($0.keyword) == nil } + options
        if let password { all.append(Option(keyword: "password", value: password)) }
        all.append(Option(keyword: "client_encoding", value: "UTF8"))
        let texts = all.flatMap { [strdup($0.keyword), strdup($0.value)] }
        defer { texts.forEach { free($0) } }
        var keywords: [UnsafePointer<CChar>?] = []
        var values: [UnsafePointer<CChar>?] = []
        for place in stride(from: 0, to: texts.count, by: 2) {
            keywords.append(UnsafePointer(texts[place]))
            values.append(UnsafePointer(texts[place + 1]))
        }
        guard let handle = PQconnectdbParams(keywords + [nil], values + [nil], 0) else {
            throw .lost("out of memory")
        }
        return handle
    }

    private func value(_ keyword: String) -> String? {
        options.first { $0.keyword == keyword }?.value
    }

    /// libpq may quote what it could not read, and that may be the password.
    private static func isSafe(_ words: String, in text: String) -> Bool {
        !words.contains("\"") || !text.contains("@") && !text.contains("password")
    }
}

extension String {
    /// On one line, for a message.
    var oneLine: String {
        split(whereSeparator: \.isNewline).joined(separator: " ")
    }
}
