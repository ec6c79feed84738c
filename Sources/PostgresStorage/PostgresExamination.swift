import CLibPQ
package import Checkpoints
import Glibc

/// What there is to know of a PostgreSQL that a server is to use, without changing anything there.
package struct PostgresExamination: Sendable {
    /// As in 15.18.
    package let serverVersion: String
    /// Whether it is a standby, which takes no changes.
    package let isStandby: Bool
    package let isPooled: Bool
    package let maxConnections: Int
    package let usedConnections: Int
    /// The server's clock less this machine's.
    package let clockLead: Duration
    /// How many statements the tables need before a server can use them; zero when they are ready.
    package let pendingStatements: Int
    /// What the role may not do and has to, once the tables are ready; nil when nothing is missing.
    package let refusal: String?
    /// What endangers acknowledged writes, each a sentence.
    package let warnings: [String]

    /// What one server process opens at most.
    package static let connectionsOfAServer = 9

    /// The client library's, as in 15.18.
    package static var libraryVersion: String { version(Int(PQlibVersion())) }

    /// Connects once and asks; blocks meanwhile.
    ///
    /// Throws when there is no connection, or what is there cannot be used at all.
    package init(_ target: ConnectionString) throws(StoreOpenError) {
        let connection = try PostgresSchema.connect(target)
        serverVersion = Self.version(connection.serverVersion)
        isPooled = connection.isPooled
        var answer = (isStandby: false, most: 0, used: 0, microseconds: 0)
        let before = Self.microseconds
        try PostgresSchema.ask(Self.query, connection, target) { result in
            answer = (result.isTrue(0, 0), result.integer(0, 1), result.integer(0, 2), result.integer(0, 3))
        }
        // Halfway between question and answer.
        let here = (before + Self.microseconds) / 2
        isStandby = answer.isStandby
        maxConnections = answer.most
        usedConnections = answer.used
        clockLead = .microseconds(answer.microseconds - here)
        pendingStatements = try PostgresSchema.pendingStatements(target).count
        warnings = try PostgresSchema.warnings(connection, target)
        refusal =
            pendingStatements > 0
            ? nil
            : Self.refusal { () throws(StoreOpenError) in
                try PostgresSchema.checkRights(connection, target)
            }
    }

    private static func refusal(_ check: () throws(StoreOpenError) -> Void) -> String? {
        do throws(StoreOpenError) {
            try check()
            return nil
        } catch {
            return error.description
        }
    }

    private static var microseconds: Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time.tv_sec * 1_000_000 + time.tv_nsec / 1_000
    }

    private static func version(_ number: Int) -> String {
        "\(number / 10_000).\(number % 10_000)"
    }

    private static let query = StatementText(
        "examination",
        """
        SELECT pg_is_in_recovery(), current_setting('max_connections')::int8,
            (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
            (extract(epoch FROM clock_timestamp()) * 1000000)::int8
        """,
        isPrepared: false
    )
}
