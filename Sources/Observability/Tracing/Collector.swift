import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1

/// The connection to an OpenTelemetry collector, over OTLP/HTTP.
///
/// `close()` must have been called before the last reference goes.
package final class Collector: Sendable {
    private static let connectLimit = TimeAmount.seconds(2)
    /// What an answer may have; nothing in it is looked at.
    private static let answerBytes = 1 << 20

    private let url: CollectorURL
    private let headers: HTTPHeaders
    private let http: HTTPClient

    /// Nothing is connected yet.
    ///
    /// `agent` is what the program calls itself.
    package init(_ url: CollectorURL, agent: String) {
        self.url = url
        var headers: HTTPHeaders = ["content-type": "application/json", "user-agent": agent]
        if let authorization = url.authorization { headers.add(name: "authorization", value: authorization) }
        self.headers = headers
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.timeout.connect = Self.connectLimit
        // A failure is seen at once; what comes then is the exporter's affair.
        configuration.connectionPool.retryConnectionEstablishment = false
        // The sending of spans makes none.
        configuration.tracing.tracer = nil
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// What is left of the connections goes with the process.
    package func close() async {
        // It fails only for a client that has ended already.
        try? await http.shutdown()
    }

    /// Sends a body, and goes on when the task is cancelled, but for no longer than `SpanExporter.flushLimit`.
    package func send(_ body: [UInt8], limit: Duration) async -> SpanExporter.Outcome {
        do {
            let request = try HTTPClient.Request(
                url: url.target,
                method: .POST,
                headers: headers,
                body: .byteBuffer(ByteBuffer(bytes: body))
            )
            let task = http.execute(
                request: request,
                delegate: ResponseAccumulator(request: request, maxBodySize: Self.answerBytes),
                deadline: .now() + TimeAmount(limit)
            )
            let response = try await withTaskCancellationHandler {
                try await task.futureResult.get()
            } onCancel: {
                task.eventLoop.scheduleTask(in: TimeAmount(SpanExporter.flushLimit)) { task.cancel() }
            }
            return Self.outcome(response.status, response.headers)
        } catch {
            return .failed(Self.words(for: error), retryAfter: nil)
        }
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as IOError where error.errnoCode == ECONNREFUSED: "the connection is refused"
        case let error as HTTPClientError where timeouts.contains { error == $0 }: "no answer in time"
        case let error as HTTPClientError: error.description
        default: String(describing: error)
        }
    }

    private static let timeouts: [HTTPClientError] = [.deadlineExceeded, .connectTimeout, .readTimeout, .cancelled]

    /// Which statuses are worth another try.
    ///
    /// https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes
    private static func outcome(_ status: HTTPResponseStatus, _ headers: HTTPHeaders) -> SpanExporter.Outcome {
        let words = "the answer's status is \(status.code)"
        switch status.code {
        case 200..<300: return .taken
        case 429, 502, 503, 504:
            let seconds = headers.first(name: "retry-after").flatMap { UInt16($0) }
            return .failed(words, retryAfter: seconds.map { .seconds(Int64($0)) })
        default: return .refused(words)
        }
    }
}
