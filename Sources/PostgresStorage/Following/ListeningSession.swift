import Checkpoints

/// A session that hears what servers with the same tables tell.
///
/// The channels' names have the number of the tables' schema: installations side by side in one database do not hear one
/// another.
struct ListeningSession {
    private let connection: PostgresConnection

    var descriptor: CInt { connection.descriptor }

    init(_ connection: PostgresConnection) throws(PostgresFailure) {
        self.connection = connection
        var channels: [String] = []
        try run(PostgresStatement(Self.channels)) { result in
            channels = (0..<2).map { result.identifier(0, $0).text }
        }
        for channel in channels {
            // A name made here of letters and digits.
            try run(PostgresStatement(StatementText("listen", "LISTEN \(channel)", isPrepared: false)))
        }
    }

    /// What came since the last time.
    func take() throws(PostgresFailure) -> [Notification] {
        try connection.takeNotifications().compactMap { Notification($0.text) }
    }

    /// Asks the other servers what they follow.
    func greet(from server: String) throws(PostgresFailure) {
        try notify([Notification.hello(server: server).text])
    }

    /// With no threads it only proves that the session is there.
    func announce(_ threads: [ThreadKey], from server: String) throws(PostgresFailure) {
        let hashes = threads.map(\.notificationHash)
        let starts = stride(from: 0, to: hashes.count, by: Notification.mostThreads)
        try notify(
            starts.map { start in
                let some = hashes[start..<min(start + Notification.mostThreads, hashes.count)]
                return Notification.follows(server: server, threads: Array(some)).text
            }
        )
    }

    private func notify(_ texts: [[UInt8]]) throws(PostgresFailure) {
        var parameters = PostgresParameters()
        parameters.add(utf8: texts)
        try run(PostgresStatement(Self.notifyFollow, parameters))
    }

    private func run(
        _ statement: PostgresStatement,
        onResult: (borrowing PostgresResult) -> Void = { _ in }
    ) throws(PostgresFailure) {
        try connection.run(statement, until: .now + PostgresLimits.sessionPatience, onResult: onResult)
    }

    /// What a change's transaction ends with where others follow its thread.
    static func notification(of texts: [[UInt8]]) -> PostgresStatement {
        var parameters = PostgresParameters()
        parameters.add(utf8: texts)
        return PostgresStatement(notifyEvents, parameters)
    }

    private static let tables = "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('checkpoints'))"

    private static let channels = StatementText(
        "channels",
        "SELECT 'milepost_events_' || \(tables), 'milepost_follow_' || \(tables)",
        isPrepared: false
    )

    private static let notifyFollow = notify("follow")
    private static let notifyEvents = notify("events")

    private static func notify(_ channel: String) -> StatementText {
        StatementText(
            "notify_\(channel)",
            """
            SELECT pg_notify('milepost_\(channel)_' || \(tables), notification)
            FROM unnest($1::text[]) WITH ORDINALITY AS told (notification, place) ORDER BY place
            """
        )
    }
}
