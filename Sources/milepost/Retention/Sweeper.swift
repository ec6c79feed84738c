import Authentication
import Checkpoints
import Glibc
import Logging

/// Takes away what is no longer kept, now and then, for as long as the server runs.
struct Sweeper: Sendable {
    let store: any RetainingStore
    let policies: RetentionPolicies
    let interval: Duration
    let audit: AuditLog
    let logger: Logger
    /// Called with what each sweep came to.
    var observe: @Sendable (RetentionSweep.Report) -> Void = { _ in }
    /// Makes of the store's time the time that ages are counted to.
    var wallClock: @Sendable (WallTime) -> WallTime = { $0 }

    /// Until it is cancelled; a sweep that is under way ends after the portion it is at.
    func run() async {
        let sweep = RetentionSweep(policies, holder: Self.holder, clock: SweepClock(), now: wallClock)
        do throws(StoreError) {
            try await sweep.lookAtClock(of: store)
        } catch {
            // Then the first sweep looks at it, and takes nothing.
            logger.debug("the clock could not be looked at", metadata: ["error": .string(error.debugDescription)])
        }
        while !Task.isCancelled {
            // Who is cancelled learns it from the loop.
            try? await Task.sleep(for: interval)
            guard !Task.isCancelled else { return }
            await perform(sweep)
        }
    }

    /// Tells this process apart from all others of the store.
    private static var holder: String {
        "\(getpid()) \(UInt64.random(in: 0 ... .max))"
    }

    private func perform(_ sweep: RetentionSweep) async {
        let start = ContinuousClock.now
        let pace = SweepPace()
        do throws(StoreError) {
            let report = try await sweep.run(on: store, pace) { report throws(StoreError) in
                try record(report, .begun)
            } report: { report, _ throws(StoreError) in
                if report.outcome != .kept { try record(report, report.outcome == .interrupted ? .failed : .done) }
            }
            guard let report else { return }
            if let difference = report.clockSet {
                logger.warning(
                    "the clock was set; nothing goes by itself until the next sweep",
                    metadata: ["seconds": .stringConvertible(difference.components.seconds)]
                )
                return
            }
            observe(report)
            log(report, took: ContinuousClock.now - start, pace.slowest)
        } catch {
            // A server that is ending has closed its store.
            guard error.kind != .closed else { return }
            logger.error("a sweep failed", metadata: ["error": .string(error.debugDescription)])
        }
    }

    private func record(_ report: RetentionReport, _ outcome: AuditRecord.Outcome) throws(StoreError) {
        let principal = Principal(name: "retention", tenant: report.thread.tenant, scopes: [])
        let removed = report.removed
        do {
            try audit.write(
                AuditRecord(
                    .retention,
                    outcome,
                    principal: principal,
                    source: "retention",
                    threads: [report.thread.id],
                    reason: "\(report.outcome.rawValue), \(removed.checkpoints) checkpoints, \(removed.bytes) bytes"
                )
            )
        } catch {
            throw StoreError(.unavailable, during: "take away what is not kept", detail: error.description)
        }
    }

    private func log(_ report: RetentionSweep.Report, took time: Duration, _ portion: Duration) {
        if let failure = report.failure {
            logger.error(
                "threads could not be swept",
                metadata: ["threads": .stringConvertible(report.failed), "error": .string(failure)]
            )
        }
        guard report.didSomething else { return }
        var metadata: Logger.Metadata = [
            "threads": .stringConvertible(report.threads),
            "deleted": .stringConvertible(report.deleted),
            "pruned": .stringConvertible(report.pruned),
            "checkpoints": .stringConvertible(report.removed.checkpoints),
            "bytes": .stringConvertible(report.removed.bytes),
            "freed_bytes": .stringConvertible(report.freed.bytes),
            "milliseconds": .stringConvertible(Int(time.milliseconds)),
            "longest_portion_ms": .stringConvertible(Int(portion.milliseconds)),
        ]
        if let reason = report.freed.reason { metadata["space"] = .string(reason) }
        logger.notice("swept", metadata: metadata)
    }
}
