import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import Observability
import ServiceContextModule
import Synchronization

/// Fetches the issuer's keys: at start, every few minutes, and when a token names a key that is not known.
final class JWKSFetcher: Sendable {
    private static let longestRetry = Duration.seconds(60)

    private struct State {
        /// Wakes `run()`; nil while that is not running.
        var wake: AsyncStream<Void>.Continuation?
        var nextFetch = ContinuousClock.now
        var lastDemand: ContinuousClock.Instant?
        var isDemanded = false
        /// Where the fetch was asked for.
        var context: ServiceContext?
        var isFetching = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var failures = 0
        var lastSuccess: ContinuousClock.Instant?
    }

    private let url: String
    private let keys: IssuerKeys
    private let timing: JWKSTiming
    private let tracer: OTLPTracer?
    private let logger: Logger
    private let state = Mutex(State())

    /// With `tracer` a fetch is a part of the trace of the request that asked for it.
    init(url: String, keys: IssuerKeys, timing: JWKSTiming, tracer: OTLPTracer? = nil, logger: Logger) {
        self.tracer = tracer
        self.url = url
        self.keys = keys
        self.timing = timing
        self.logger = logger
    }

    /// Fetches when it is time to, until its task is cancelled.
    func run() async {
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        // A failure is seen at once; what comes then is decided here, as is how long all of it may take.
        configuration.connectionPool.retryConnectionEstablishment = false
        // The spans are made here, where it is known on whose behalf.
        configuration.tracing.tracer = nil
        let http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        state.withLock { $0.wake = wake }
        await withDiscardingTaskGroup { group in
            group.addTask {
                repeat {
                    wake.yield()
                    // Throws when cancelled.
                } while (try? await Task.sleep(for: .seconds(1))) != nil
            }
            for await _ in wakes where begin() {
                let isFresh = await ServiceContext.withValue(takeContext()) { await refresh(http) }
                end(isFresh)
            }
        }
        stop()
        // What is left of the connections goes with the process.
        try? await http.shutdown()
    }

    /// Whether a fetch may bring a key that is not known yet.
    var mayFetch: Bool { state.withLock { mayFetch($0) } }

    /// Returns after a fetch, which all callers share; at once when there was one lately.
    ///
    /// One that is under way counts too.
    func fetchForUnknownKey() async {
        await withCheckedContinuation { continuation in
            let isWaiting = state.withLock { state in
                guard mayFetch(state) else { return false }
                if !state.isFetching, !state.isDemanded {
                    state.isDemanded = true
                    state.context = .current
                    state.lastDemand = .now
                    state.wake?.yield()
                }
                state.waiting.append(continuation)
                return true
            }
            if !isWaiting { continuation.resume() }
        }
    }

    private func mayFetch(_ state: State) -> Bool {
        guard state.wake != nil else { return false }
        if state.isFetching || state.isDemanded { return true }
        return state.lastDemand.map { .now - $0 >= timing.demand } ?? true
    }

    private func begin() -> Bool {
        state.withLock { state in
            guard state.isDemanded || .now >= state.nextFetch else { return false }
            state.isDemanded = false
            state.isFetching = true
            return true
        }
    }

    private func takeContext() -> ServiceContext? {
        state.withLock { state in
            defer { state.context = nil }
            return state.context
        }
    }

    private func end(_ isFresh: Bool) {
        let (waiting, isTooOld) = state.withLock { state in
            state.isFetching = false
            let now = ContinuousClock.now
            if isFresh {
                state.failures = 0
                state.lastSuccess = now
                state.nextFetch = now + timing.refresh
            } else {
                state.nextFetch = now + min(timing.retry * (1 << min(state.failures, 6)), Self.longestRetry)
                state.failures += 1
            }
            let isTooOld = state.lastSuccess.map { now - $0 > timing.maximumAge } ?? false
            if isTooOld { state.lastSuccess = nil }
            defer { state.waiting = [] }
            return (state.waiting, isTooOld)
        }
        if isTooOld {
            keys.drop()
            logger.error("the JWKS could not be fetched for too long: every token is refused until it can")
        }
        for continuation in waiting { continuation.resume() }
    }

    private func stop() {
        let waiting = state.withLock { state in
            state.wake = nil
            state.isDemanded = false
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Whether the keys are now those that the issuer publishes.
    private func refresh(_ http: HTTPClient) async -> Bool {
        do {
            try await keys.replace(document: try await document(http))
            return true
        } catch is CancellationError {
            return false
        } catch {
            logger.warning(
                keys.current == nil
                    ? "the JWKS cannot be fetched: every token is refused until it can"
                    : "the JWKS cannot be fetched; the keys fetched before still count",
                metadata: ["reason": .string(Self.words(for: error))]
            )
            return false
        }
    }

    /// The whole answer, in time: the HTTP client's own limit is for the head alone.
    private func document(_ http: HTTPClient) async throws -> [UInt8] {
        try await withThrowingTaskGroup(of: [UInt8].self) { [timing] group in
            group.addTask { [self] in
                var request = HTTPClientRequest(url: url)
                request.headers.add(name: "accept", value: "application/jwk-set+json, application/json")
                let response = try await execute(request, http)
                guard response.status == .ok else {
                    throw JWKSError("the answer's status is \(response.status.code), not 200")
                }
                let body = try await response.body.collect(upTo: VerificationKeys.maximumDocumentBytes)
                // A body that is cancelled ends as if it were all.
                try Task.checkCancellation()
                return Array(body.readableBytesView)
            }
            group.addTask {
                try await Task.sleep(for: timing.timeout)
                throw JWKSError("no whole answer in \(timing.timeout)")
            }
            defer { group.cancelAll() }
            guard let document = try await group.next() else { throw CancellationError() }
            return document
        }
    }

    private func execute(_ request: HTTPClientRequest, _ http: HTTPClient) async throws -> HTTPClientResponse {
        // Without a tracer, or for what is no URL, it is asked for as it is.
        guard let tracer, let target = try? HTTPClient.Request(url: url) else {
            return try await http.execute(request, deadline: .distantFuture)
        }
        let span = ClientSpan("GET", to: target.host, port: target.port, in: .current, tracer)
        var request = request
        span.inject(into: &request.headers)
        do {
            let response = try await http.execute(request, deadline: .distantFuture)
            span.end(status: Int(response.status.code))
            return response
        } catch {
            span.fail("unreachable")
            throw error
        }
    }

    private static func words(for error: any Error) -> String {
        switch error {
        case let error as JWKSError: error.reason
        case is NIOTooManyBytesError: "the answer has more than \(VerificationKeys.maximumDocumentBytes) bytes"
        case let error as HTTPClientError: error.description
        default: String(describing: error)
        }
    }
}
