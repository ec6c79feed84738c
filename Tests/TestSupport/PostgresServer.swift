import CLibPQ
import Foundation

/// The PostgreSQL that `scripts/with-postgres` starts for the tests.
///
/// There is no way around it: a test that needs it fails where it is missing.
package enum PostgresServer {
    /// How many stores may be open at once: each has up to seven connections, and the server allows a hundred or two.
    package static let turns = Turns(8)

    /// Why there is none.
    package struct Missing: Error, CustomStringConvertible {
        package let description: String
    }

    /// A connection string of a schema of that name, which is made when it is not there.
    package static func schema(named name: String) throws -> String {
        // A search path folds what is not quoted.
        let name = name.lowercased()
        try execute("CREATE SCHEMA IF NOT EXISTS \"\(name)\"")
        let separator = try database.contains("?") ? "&" : "?"
        return try "\(database)\(separator)options=-csearch_path%3D\(name)"
    }

    /// Runs statements on the tests' database, and returns the first column of what the last of them gave.
    @discardableResult
    package static func execute(_ sql: String, on connectionString: String? = nil) throws -> [String] {
        try run(sql, on: connectionString ?? database)
    }

    private static func run(_ sql: String, on connectionString: String) throws -> [String] {
        let handle = PQconnectdb(connectionString)
        defer { PQfinish(handle) }
        guard PQstatus(handle) == CONNECTION_OK else {
            throw Missing(description: "PostgreSQL cannot be reached: \(String(cString: PQerrorMessage(handle)))")
        }
        PQsetNoticeProcessor(handle, { _, _ in }, nil)
        let result = PQexec(handle, sql)
        defer { PQclear(result) }
        let status = PQresultStatus(result)
        guard status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK else {
            throw Missing(description: String(cString: PQerrorMessage(handle)))
        }
        return (0..<PQntuples(result)).map { String(cString: PQgetvalue(result, $0, 0)) }
    }

    /// One database for the process, whose collation is not that of bytes.
    private static var database: String {
        get throws { try made.get() }
    }

    private static let made: Result<String, any Error> = Result {
        guard let server = ProcessInfo.processInfo.environment["MILEPOST_TEST_POSTGRES"] else {
            throw Missing(description: "MILEPOST_TEST_POSTGRES is not set; run: scripts/with-postgres swift test")
        }
        let name = "swift_\(ProcessInfo.processInfo.processIdentifier)_\(UInt32.random(in: 0 ... .max))"
        _ = try run(
            """
            CREATE DATABASE \(name) ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' TEMPLATE template0
            """,
            on: server
        )
        return try connectionString(server, database: name)
    }

    /// The same server, another database.
    package static func connectionString(_ url: String, database: String) throws -> String {
        guard var components = URLComponents(string: url) else {
            throw Missing(description: "MILEPOST_TEST_POSTGRES is no URL: \(url)")
        }
        components.path = "/" + database
        return components.string ?? url
    }
}

/// Lets a number of tests at a time go on.
package actor Turns {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    package init(_ count: Int) {
        free = count
    }

    package func take() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    package func giveBack() {
        if waiting.isEmpty {
            free += 1
        } else {
            waiting.removeFirst().resume()
        }
    }
}
