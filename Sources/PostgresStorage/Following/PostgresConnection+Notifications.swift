import CLibPQ

extension PostgresConnection {
    /// To wait for what comes unasked.
    var descriptor: CInt { PQsocket(handle) }

    /// What came on the channels that this session listens to.
    ///
    /// Does not wait. Throws when the session is lost.
    func takeNotifications() throws(PostgresFailure) -> [(channel: String, text: String)] {
        guard PQconsumeInput(handle) == 1, isUsable else { throw .lost("the session that listens has ended") }
        var taken: [(channel: String, text: String)] = []
        while let notification = PQnotifies(handle) {
            defer { PQfreemem(notification) }
            let fields = notification.pointee
            taken.append((String(cString: fields.relname), fields.extra.map { String(cString: $0) } ?? ""))
        }
        return taken
    }
}
