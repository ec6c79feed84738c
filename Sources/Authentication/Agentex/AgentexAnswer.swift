import AsyncHTTPClient

/// What came of a call to the provider.
enum AgentexAnswer: Sendable {
    case answered(status: Int, body: [UInt8])
    /// It answered with a larger body than is read.
    case tooLarge
    /// It was not reached, broke off, or took too long.
    case failed(String)
    /// It was not asked, for a reason of ours.
    case notAsked(String)

    static let paused = AgentexAnswer.notAsked("it has failed too often in the last seconds")
    static let crowded = AgentexAnswer.notAsked("too many calls to it are under way")

    init(failure error: any Error) {
        switch error {
        case is ResponseAccumulator.ResponseTooBigError:
            self = .tooLarge
        case let error as HTTPClientError where error == .getConnectionFromPoolTimeout:
            // All are in use: that says nothing of the provider. Those who use them will.
            self = .crowded
        case let error as HTTPClientError where error == .alreadyShutdown || error == .cancelled:
            self = .notAsked("the server is shutting down")
        case let error as HTTPClientError where Self.timeouts.contains(where: { error == $0 }):
            self = .failed("no answer in time")
        default:
            self = .failed("no connection, or no whole answer")
        }
    }

    private static let timeouts: [HTTPClientError] = [
        .deadlineExceeded, .connectTimeout, .readTimeout, .writeTimeout, .tlsHandshakeTimeout,
    ]

    /// What it says of the provider's health.
    var health: CircuitBreaker.Outcome {
        switch self {
        case .answered(let status, _): status >= 500 ? .failure : .success
        case .tooLarge: .success
        case .failed: .failure
        case .notAsked: .neither
        }
    }
}
