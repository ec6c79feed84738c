import ArgumentParser
import Authentication
import Checkpoints
import Glibc
import JSON
import Synchronization

/// `milepost prune`: says what of a store goes under a policy, or takes it away.
struct Prune: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what would go under a retention policy, or take it away.",
        discussion: """
            Without --apply nothing is changed, and a server may have the store open. With --apply no server may have an \
            SQLite store open: set the policy in that server instead (milepost serve --retain-idle 30d). What goes is what \
            a server with the same policy takes away: never the newest checkpoints of a namespace unless their thread's \
            time is over, an interrupt that waits for an answer, what is pinned or held, or what any of those is made \
            from. Ctrl-C leaves nothing half done.

            Exit codes: 0 done, 1 it could not be done, 64 wrong usage.

            EXAMPLES
              milepost prune --store sqlite:agents.db --idle 90d
                  which threads had no change for 90 days
              milepost prune --store sqlite:agents.db --keep-last 5 --apply
                  only the newest five checkpoints of each namespace stay
              milepost prune --store postgresql://milepost@db/agents --retention-file retention.json --json
                  what a server with this file would take away
            """
    )

    @OptionGroup var options: StoreOptions
    @OptionGroup var audit: AuditOption

    @Option(
        help: ArgumentHelp("Threads that nothing changed for this long are deleted, such as 30d.", valueName: "time"))
    var idle: String?

    @Option(help: ArgumentHelp("Threads that are older are deleted.", valueName: "time"))
    var age: String?

    @Option(help: ArgumentHelp("Of each namespace so many checkpoints are kept.", valueName: "number"))
    var keepLast: Int?

    @Option(help: ArgumentHelp("JSON file with the same for single tenants.", valueName: "path"))
    var retentionFile: String?

    @Option(help: ArgumentHelp("Only the threads of this tenant.", valueName: "name"))
    var tenant: String?

    @Option(help: ArgumentHelp("Only this thread, of the default tenant or of --tenant.", valueName: "id"))
    var thread: String?

    @Flag(help: "Take it away.")
    var apply = false

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    func run() async throws {
        let policies = try policies()
        let store = try await options.read()
        let sweep = RetentionSweep(policies, scope: scope, holder: "prune \(getpid())", reserve: 0)
        let line = ProgressLine(.standardError(json: json))
        defer { line.end() }
        let rows = Mutex<[RetentionReport]>([])
        let count = Mutex<Int?>(nil)
        @Sendable func begin(_ source: any RetentionSource) async throws(StoreError) {
            guard line.isDrawn else { return }
            line.show("counting threads")
            let found = try await sweep.threadCount(of: source)
            count.withLock { $0 = max(found, 1) }
        }
        @Sendable func note(_ report: RetentionReport, _ total: RetentionSweep.Report) {
            if report.outcome != .kept { rows.withLock { $0.append(report) } }
            line.show(
                "\(total.threads.grouped) threads looked at, \(total.removed.checkpoints.grouped) checkpoints go",
                fraction: count.withLock { $0 }.map { Double(total.threads) / Double($0) }
            )
        }
        let total: RetentionSweep.Report
        do {
            total =
                apply
                ? try await applied(sweep, to: store, begin, note)
                : try await store.withRetentionSource { source in
                    try await begin(source)
                    return try await sweep.preview(of: source, at: .now, report: note)
                }
        } catch let error as StoreError {
            throw StartError.machine("\(error.debugDescription) in \(store.description); check its disk, and try again")
        }
        line.end()
        let found = rows.withLock { $0 }
        if json {
            Output.json(Self.json(found, total, of: store, isApplied: apply))
        } else {
            Self.lines(found, total, isApplied: apply, on: .standardOutput).forEach(Output.line)
        }
        if let failure = total.failure {
            throw StartError.machine(
                "\(total.failed) threads could not be looked at (\(failure)); run 'milepost verify', and delete or restore them"
            )
        }
    }

    private func applied(
        _ sweep: RetentionSweep,
        to store: StoreConfiguration,
        _ begin: @escaping @Sendable (any RetentionSource) async throws -> Void,
        _ note: @escaping @Sendable (RetentionReport, RetentionSweep.Report) -> Void
    ) async throws -> RetentionSweep.Report {
        try audit.write(.retention, .begun, "of \(store.description)")
        let isShared = if case .postgres = store { true } else { false }
        let report = try await store.withRetainingStore { store in
            try await begin(store)
            return try await sweep.run(on: store, SweepPace(isResting: isShared)) { _ in
            } report: { report, total throws(StoreError) in
                note(report, total)
            }
        }
        guard let report else {
            throw StartError.machine(
                "a server is sweeping \(store.description); wait for it, or leave it to that server")
        }
        try audit.write(
            .retention,
            .done,
            "\(report.deleted) threads deleted, \(report.pruned) pruned, \(report.removed.checkpoints) checkpoints of \(store.description)"
        )
        return report
    }

    private var scope: RetentionSweep.Scope {
        let tenant = tenant.map { Tenant(name: Identifier($0)) }
        if let thread { return .thread(ThreadKey(Identifier(thread), tenant: tenant ?? .default)) }
        return tenant.map { .tenant($0) } ?? .all
    }

    private func policies() throws(StartError) -> RetentionPolicies {
        func duration(_ text: String?, _ option: String) throws(StartError) -> Duration? {
            guard let text else { return nil }
            guard let duration = Duration(text: text) else {
                throw .usage("\(option) is '\(TerminalText.escaped(text))'; give a time such as 30d, 12h, 15m or 90s")
            }
            return duration
        }
        if let keepLast, !(1...1_000_000).contains(keepLast) {
            throw .usage("--keep-last is \(keepLast); give a number from 1 to 1000000")
        }
        let common = RetentionPolicy(
            idle: try duration(idle, "--idle"), age: try duration(age, "--age"), keepLast: keepLast)
        guard let retentionFile else {
            guard common != .none else {
                throw .usage("there is no policy; give --idle, --age, --keep-last or --retention-file")
            }
            return RetentionPolicies(common)
        }
        return try RetentionFile.read(retentionFile, common)
    }
}

// MARK: - What is printed

extension Prune {
    static func lines(
        _ reports: [RetentionReport],
        _ total: RetentionSweep.Report,
        isApplied: Bool,
        on terminal: Terminal
    ) -> [String] {
        var lines: [String] = []
        if !reports.isEmpty {
            var table = TextTable([
                .init(heading: "THREAD"), .init(heading: "TENANT", isFlexible: true, dispensability: 2),
                .init(heading: isApplied ? "WAS" : "WOULD BE"),
                .init(heading: "CHECKPOINTS", isNumber: true),
                .init(heading: "WRITES", isNumber: true, dispensability: 3),
                .init(heading: "BYTES", isNumber: true),
            ])
            for report in reports {
                table.rows.append([
                    TextTable.Cell(report.thread.id.text), TextTable.Cell(report.thread.tenant.name.text, .dim),
                    TextTable.Cell(report.outcome.rawValue, report.outcome == .deleted ? .red : .yellow),
                    "\(report.removed.checkpoints.grouped)", "\(report.removed.writes.grouped)",
                    "\(report.removed.bytes.grouped)",
                ])
            }
            lines = table.lines(on: terminal)
        }
        let what =
            "\(total.deleted.grouped) threads deleted, \(total.pruned.grouped) pruned, "
            + "\(total.removed.checkpoints.grouped) checkpoints, \(total.removed.bytes.grouped) bytes, of "
            + "\(total.threads.grouped) threads looked at"
        guard isApplied else { return lines + ["would be: \(what); nothing was changed (--apply does it)"] }
        lines += ["done: \(what)", "given back to the file system: \(total.freed.bytes.grouped) bytes"]
        if let reason = total.freed.reason { lines.append(reason) }
        return lines
    }

    static func json(
        _ reports: [RetentionReport],
        _ total: RetentionSweep.Report,
        of store: StoreConfiguration,
        isApplied: Bool
    ) -> JSONValue {
        func number(_ value: Int) -> JSONValue { .number(JSONNumber(value)) }
        return [
            "store": .string(JSONString(store.description)),
            "applied": .bool(isApplied),
            "threads": .array(
                reports.map { report in
                    [
                        "tenant": .string(JSONString(report.thread.tenant.name.text)),
                        "thread_id": .string(JSONString(report.thread.id.text)),
                        "outcome": .string(JSONString(report.outcome.rawValue)),
                        "checkpoints": number(report.removed.checkpoints),
                        "writes": number(report.removed.writes),
                        "blobs": number(report.removed.blobs),
                        "bytes": number(report.removed.bytes),
                        "kept": number(report.kept),
                    ]
                }
            ),
            "looked_at": number(total.threads),
            "deleted": number(total.deleted),
            "pruned": number(total.pruned),
            "failed": number(total.failed),
            "checkpoints": number(total.removed.checkpoints),
            "bytes": number(total.removed.bytes),
            "freed_bytes": number(total.freed.bytes),
            "space": total.freed.reason.map { .string(JSONString($0)) } ?? .null,
        ]
    }
}
