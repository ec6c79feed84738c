import CLibPQ
import Checkpoints
import Glibc

/// One session with the server, non-blocking and in pipeline mode: many statements go out before the first answer is
/// waited for. https://www.postgresql.org/docs/15/libpq-pipeline-mode.html
///
/// Used by one thread at a time. Once a call throws it is not usable any more, and closed with this object.
final class PostgresConnection {
    /// What an answer is to.
    private enum Expected {
        case prepared(StatementText)
        case statement(group: Int, index: Int)
        case end(group: Int)
    }

    /// Statements that take effect together: all up to a point of synchronisation.
    typealias Group = [PostgresStatement]

    let handle: OpaquePointer
    private var prepared: Set<ObjectIdentifier> = []
    private var isFlushing = false
    private var isSpoilt = false
    /// Whether its settings are made: until then nothing is changed, and it passes no points.
    private var isReady = false
    /// Whether the server has warned while it did the last statement.
    private(set) var isWarned = false
    /// Whether a pooler sits in between, so that one session's settings and prepared statements may not be there for the
    /// next transaction.
    private(set) var isPooled = false

    /// Connects to the first of the hosts that takes changes.
    ///
    /// Blocks for up to the connection string's `connect_timeout` for each host.
    init(_ target: ConnectionString) throws(PostgresFailure) {
        handle = try target.connect()
        // `deinit` runs from here on, also when this throws.
        guard PQstatus(handle) == CONNECTION_OK else { throw lost() }
        watchNotices()
        PQsetnonblocking(handle, 1)
        PQenterPipelineMode(handle)
        try prepareSession()
        isReady = true
    }

    deinit {
        PQfinish(handle)
    }

    /// Whether the server still has it, as far as is known without asking: a session that has ended meanwhile is noticed
    /// before anything is sent on it.
    var isAlive: Bool {
        var descriptor = pollfd(fd: PQsocket(handle), events: Int16(POLLIN), revents: 0)
        // First its last words, then its end.
        while poll(&descriptor, 1, 0) > 0 {
            guard PQconsumeInput(handle) == 1, PQisBusy(handle) == 0, PQstatus(handle) == CONNECTION_OK, !isSpoilt
            else {
                return false
            }
        }
        return true
    }

    /// Whether it can be used again: it is not lost, spoilt, or in a transaction.
    var isUsable: Bool {
        PQstatus(handle) == CONNECTION_OK && !isSpoilt && PQtransactionStatus(handle) == PQTRANS_IDLE
    }

    /// Whether a transaction was left behind that failed and is worth ending.
    var needsRollback: Bool { PQtransactionStatus(handle) == PQTRANS_INERROR && !isSpoilt }

    /// A parameter that the server reports by itself, such as `server_encoding`.
    func reported(_ name: String) -> String? {
        PQparameterStatus(handle, name).map { String(cString: $0) }
    }

    /// PostgreSQL's version as a number: 150018 for 15.18.
    var serverVersion: Int { Int(PQserverVersion(handle)) }

    /// Sends all groups, waits for all answers, and calls `onResult` for each statement that succeeded, in order.
    ///
    /// A group without a `BEGIN` is a transaction. A statement that fails ends its group, not the others; what it failed
    /// with is at the group's place in what this returns.
    func run(
        _ groups: [Group],
        until deadline: ContinuousClock.Instant,
        onResult: (_ group: Int, _ index: Int, _ result: borrowing PostgresResult) -> Void
    ) throws(PostgresFailure) -> [PostgresFailure?] {
        var expected: [Expected] = []
        var preparing: Set<ObjectIdentifier> = []
        for (group, statements) in groups.enumerated() {
            for (index, statement) in statements.enumerated() {
                if needsPreparation(statement.text), preparing.insert(ObjectIdentifier(statement.text)).inserted {
                    try prepare(statement.text)
                    expected.append(.prepared(statement.text))
                }
                try passPoint(before: statement.text)
                try send(statement)
                expected.append(.statement(group: group, index: index))
            }
            try passPoint(before: nil)
            guard PQpipelineSync(handle) == 1 else { throw lost() }
            expected.append(.end(group: group))
        }
        let wasSpoilt = isSpoilt
        isSpoilt = true
        try flush()
        passPoint("sent")
        var failures = [PostgresFailure?](repeating: nil, count: groups.count)
        var current = 0
        for answer in expected {
            switch answer {
            case .end(let group):
                try takeEnd(until: deadline, &failures[group])
                current = group + 1
            case .prepared(let text):
                try takeResults(until: deadline, &failures[current]) { _ in prepared.insert(ObjectIdentifier(text)) }
            case .statement(let group, let index):
                isWarned = false
                try takeResults(until: deadline, &failures[group]) { onResult(group, index, $0) }
                passPoint("after \(Self.pointName(groups[group][index].text))")
            }
        }
        isSpoilt = wasSpoilt || failures.contains { $0?.spoilsConnection ?? false }
        return failures
    }

    /// One statement in a transaction of its own.
    func run(
        _ statement: PostgresStatement,
        until deadline: ContinuousClock.Instant,
        onResult: (borrowing PostgresResult) -> Void = { _ in }
    ) throws(PostgresFailure) {
        let failures = try run([[statement]], until: deadline) { _, _, result in onResult(result) }
        if let failure = failures[0] { throw failure }
    }

    // MARK: - Session

    /// Without a receiver of ours, notices would go to standard error.
    private func watchNotices() {
        let receive: PQnoticeReceiver = { connection, notice in
            guard let connection, let severity = PQresultErrorField(notice, CInt(UInt8(ascii: "V"))) else { return }
            let session = Unmanaged<PostgresConnection>.fromOpaque(connection).takeUnretainedValue()
            switch String(cString: severity) {
            case "WARNING": session.isWarned = true
            // What ends a session that nothing was asked of comes as a notice.
            case "FATAL", "PANIC": session.isSpoilt = true
            default: break
            }
        }
        // Not retained: the connection that calls it is this object's.
        PQsetNoticeReceiver(handle, receive, Unmanaged.passUnretained(self).toOpaque())
    }

    private static let identity = StatementText("identity", "SELECT pg_backend_pid()", isPrepared: false)

    /// How long a lock and a statement may take on the server; how look-ups by key are planned: never by reading a whole
    /// table, which a plan made while the table was small might; and that warnings come, one of which means that a commit
    /// has not reached the standby.
    private static let settings = StatementText(
        "settings",
        """
        SELECT set_config('lock_timeout', '\(PostgresLimits.lockMilliseconds)', false),
            set_config('statement_timeout', '\(PostgresLimits.statementMilliseconds)', false),
            set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false),
            set_config('client_min_messages', 'warning', false)
        """,
        isPrepared: false
    )

    /// A pooler makes up the process id that it tells its clients.
    private func prepareSession() throws(PostgresFailure) {
        let deadline = ContinuousClock.now + PostgresLimits.sessionPatience
        var process = 0
        try run(PostgresStatement(Self.identity), until: deadline) { process = $0.integer(0, 0) }
        isPooled = process != Int(PQbackendPID(handle))
        if !isPooled { try run(PostgresStatement(Self.settings), until: deadline) }
    }

    // MARK: - Out

    private func needsPreparation(_ text: StatementText) -> Bool {
        isPrepared(text) && !prepared.contains(ObjectIdentifier(text))
    }

    private func isPrepared(_ text: StatementText) -> Bool {
        text.isPrepared && !isPooled
    }

    private func prepare(_ text: StatementText) throws(PostgresFailure) {
        guard PQsendPrepare(handle, text.name, text.sql, 0, nil) == 1 else { throw lost() }
    }

    private func send(_ statement: PostgresStatement) throws(PostgresFailure) {
        let parameters = statement.parameters
        let count = parameters.ranges.count
        let lengths = parameters.ranges.map { CInt($0?.count ?? 0) }
        let formats = [CInt](repeating: 1, count: count)
        let sent = parameters.bytes.withUnsafeBufferPointer { bytes in
            // An empty value needs an address too: none would mean null.
            let start = bytes.baseAddress ?? UnsafePointer(bitPattern: 8)
            let values = parameters.ranges.map { range in
                range.flatMap { range in start.map { UnsafeRawPointer($0 + range.lowerBound) } }
            }.map { $0?.assumingMemoryBound(to: CChar.self) }
            if !isPrepared(statement.text) {
                return PQsendQueryParams(handle, statement.text.sql, CInt(count), nil, values, lengths, formats, 1)
            }
            return PQsendQueryPrepared(handle, statement.text.name, CInt(count), values, lengths, formats, 1)
        }
        guard sent == 1 else { throw lost() }
    }

    private func flush() throws(PostgresFailure) {
        switch PQflush(handle) {
        case 0: isFlushing = false
        case 1: isFlushing = true
        default: throw lost()
        }
    }

    /// The statements before it have reached the server when this point is passed; nil is the end of a group.
    private func passPoint(before text: StatementText?) throws(PostgresFailure) {
        guard Failpoint.isActive, isReady else { return }
        repeat { try flush() } while isFlushing
        passPoint("before \(text.map(Self.pointName) ?? "the end")")
    }

    private func passPoint(_ name: @autoclosure () -> String) {
        if isReady { Failpoint.pass("postgres \(name())") }
    }

    private static func pointName(_ text: StatementText) -> String {
        text.isPrepared ? text.name : Failpoint.words(text.sql)
    }

    // MARK: - In

    private func takeEnd(
        until deadline: ContinuousClock.Instant,
        _ failure: inout PostgresFailure?
    ) throws(PostgresFailure) {
        while true {
            try wait(until: deadline)
            guard let result = PQgetResult(handle) else { continue }
            let taken = PostgresResult(owning: result)
            if taken.status == PGRES_PIPELINE_SYNC { return }
            // The commit at the end of a group without BEGIN failed.
            failure = failure ?? taken.failure
            try checkConnection(taken.failure)
        }
    }

    private func takeResults(
        until deadline: ContinuousClock.Instant,
        _ failure: inout PostgresFailure?,
        _ onResult: (borrowing PostgresResult) -> Void
    ) throws(PostgresFailure) {
        while true {
            try wait(until: deadline)
            guard let handle = PQgetResult(handle) else { return }
            let result = PostgresResult(owning: handle)
            switch result.status {
            case PGRES_COMMAND_OK, PGRES_TUPLES_OK: onResult(result)
            case PGRES_PIPELINE_ABORTED: break
            default:
                failure = failure ?? result.failure
                try checkConnection(result.failure)
            }
        }
    }

    private func checkConnection(_ failure: PostgresFailure) throws(PostgresFailure) {
        guard PQstatus(handle) == CONNECTION_OK, !failure.isLost else {
            throw PostgresFailure(state: failure.state, message: failure.message, isLost: true)
        }
    }

    /// Returns when a result can be taken without blocking; sends meanwhile what has not gone out.
    private func wait(until deadline: ContinuousClock.Instant) throws(PostgresFailure) {
        while PQisBusy(handle) == 1 {
            if isFlushing { try flush() }
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else { throw .lost("no answer in time") }
            var descriptor = pollfd(
                fd: PQsocket(handle),
                events: Int16(POLLIN) | (isFlushing ? Int16(POLLOUT) : 0),
                revents: 0
            )
            guard poll(&descriptor, 1, CInt(min(left + 1, 60_000))) > 0 else { continue }
            guard descriptor.revents & ~Int16(POLLOUT) == 0 || PQconsumeInput(handle) == 1 else { throw lost() }
        }
    }

    private func lost() -> PostgresFailure {
        .lost(Self.lastMessage(handle))
    }

    /// libpq's words in one line.
    private static func lastMessage(_ handle: OpaquePointer) -> String {
        String(cString: PQerrorMessage(handle)).oneLine
    }
}
