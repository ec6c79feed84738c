import Checkpoints
import HTTPTypes
import Hummingbird
package import Logging
import Observability

/// Gives every request an id, and writes one line about each.
///
/// A client's own `x-request-id` is kept when it is 1–128 letters, digits, `.`, `_` or `-`. What is logged are the
/// method, the path without its query or a thread's id, the status and the time taken: never a header, a body or a stored
/// value.
package struct RequestLog: Sendable {
    /// A request that is being answered.
    struct Entry: Sendable {
        let id: String
        /// Where its time goes, if that is to be known.
        let times: CallTimes?
        /// Nil when the request is a part of no trace.
        let trace: RequestTrace?
        fileprivate let call: Int
        fileprivate let start: MonotonicTime
    }

    private let logger: Logger
    private let tracing: RequestTracing?
    private let ids = RequestIDs()
    private let calls: CallNames
    private let metrics: RequestMetrics?
    /// In nanoseconds.
    private let slowCall: Int64?

    package init(logger: Logger) {
        self.init(logger: logger, calls: [], Observation())
    }

    /// `calls` are those that have names of their own.
    init(logger: Logger, calls: [Endpoint], _ observation: Observation) {
        self.logger = logger
        self.calls = CallNames(calls)
        metrics = observation.metrics.map { RequestMetrics(calls: CallNames(calls).all, $0.factory) }
        tracing = observation.tracer.map { RequestTracing($0, calls, scheme: observation.scheme) }
        slowCall = observation.slowCall?.nanoseconds
    }

    /// `start` is when the request's head came, if that was before now.
    func begin(_ head: HTTPRequest, since start: MonotonicTime? = nil) -> Entry {
        let trace = tracing?.begin(head, since: start)
        let times = slowCall == nil && trace?.span == nil ? nil : CallTimes()
        if let times, let start { times.add(.receive, from: start, to: .now) }
        return Entry(
            id: requestID(head.headerFields.value(of: .requestID)),
            times: times,
            trace: trace,
            call: metrics == nil && slowCall == nil ? CallNames.other : calls.place(of: head),
            start: start ?? .now
        )
    }

    func end(_ entry: Entry, _ head: HTTPRequest, _ status: HTTPResponse.Status) {
        let elapsed = MonotonicTime.now.nanoseconds(since: entry.start)
        metrics?.answered(entry.call, status: status.code, after: elapsed)
        endSpan(entry, head, status, after: elapsed)
        logger.info("request answered", metadata: Self.metadata(entry, head, status, elapsed))
        if let slowCall, elapsed >= slowCall { wasSlow(entry, status, elapsed) }
    }

    /// For a request whose client is gone, or that is being ended: nobody is answered, and nothing is logged.
    func abandon(_ entry: Entry, _ head: HTTPRequest) {
        endSpan(entry, head, nil, after: MonotonicTime.now.nanoseconds(since: entry.start))
    }

    private func endSpan(
        _ entry: Entry,
        _ head: HTTPRequest,
        _ status: HTTPResponse.Status?,
        after elapsed: Int64
    ) {
        guard let tracing, let span = entry.trace?.span else { return }
        if let times = entry.times { tracing.addSteps(times, of: span, since: entry.start) }
        tracing.end(span, head, status, requestID: entry.id, after: .nanoseconds(elapsed))
    }

    private static func metadata(
        _ entry: Entry,
        _ head: HTTPRequest,
        _ status: HTTPResponse.Status,
        _ elapsed: Int64
    ) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            LogKey.requestID: .string(entry.id),
            LogKey.method: .string(head.method.rawValue),
            LogKey.path: .string(path(head.path ?? "")),
            LogKey.status: .stringConvertible(status.code),
            LogKey.milliseconds: .string(milliseconds(elapsed)),
        ]
        if let traceID = entry.trace?.loggedID { metadata[LogKey.traceID] = .string(traceID) }
        return metadata
    }

    /// What is in no part is this program's own: checking the body, encryption, making the answer.
    private func wasSlow(_ entry: Entry, _ status: HTTPResponse.Status, _ elapsed: Int64) {
        metrics?.wasSlow()
        var metadata: Logger.Metadata = [
            LogKey.requestID: .string(entry.id),
            LogKey.call: .string(calls.all[entry.call]),
            LogKey.status: .stringConvertible(status.code),
            LogKey.milliseconds: .string(Self.milliseconds(elapsed)),
        ]
        if let traceID = entry.trace?.loggedID { metadata[LogKey.traceID] = .string(traceID) }
        var rest = elapsed
        for step in CallTimes.Step.allCases {
            let time = entry.times?[step]?.nanoseconds ?? 0
            rest -= time
            metadata[step.rawValue + "_ms"] = .string(Self.milliseconds(time))
        }
        metadata[LogKey.other] = .string(Self.milliseconds(max(rest, 0)))
        logger.warning("slow call", metadata: metadata)
    }

    private static func path(_ target: String) -> String {
        let path = target.prefix { $0 != "?" && $0 != "#" }
        return String(ThreadPath.shown(String(path)).prefix(128))
    }

    /// Logs an error that the client is told little of.
    func failed(_ error: String, level: Logger.Level, requestID: String) {
        logger.log(
            level: level,
            "request failed",
            metadata: [LogKey.requestID: .string(requestID), LogKey.error: .string(error)]
        )
    }

    private func requestID(_ sent: String?) -> String {
        if let sent, (1...128).contains(sent.utf8.count), sent.utf8.allSatisfy(Self.isAllowed) {
            return sent
        }
        return ids.next()
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// With three decimals.
    private static func milliseconds(_ nanoseconds: Int64) -> String {
        let microseconds = nanoseconds / 1_000
        let fraction = String(microseconds % 1_000 + 1_000).dropFirst()
        return "\(microseconds / 1_000).\(fraction)"
    }
}

/// The keys of this target's log lines.
enum LogKey {
    static let requestID = "request_id"
    static let method = "method"
    static let path = "path"
    static let status = "status"
    static let milliseconds = "duration_ms"
    static let traceID = "trace_id"
    static let error = "error"
    static let call = "call"
    static let other = "other_ms"
}

extension HTTPField.Name {
    /// The initialiser fails only for what is no token.
    static let requestID = HTTPField.Name("x-request-id") ?? .cacheControl
}
