import AsyncHTTPClient
import NIOCore
import NIOHTTP1
package import Observability
import ServiceContextModule

/// The authentication service of an Agentex installation, spoken to over HTTP/1.1.
///
/// Nothing is retried and no redirect is followed: the caller's credentials are for this server alone. `shutdown()` must
/// have been called before the last reference goes.
package final class AgentexProvider: Sendable {
    let limits: AgentexLimits
    private let base: String
    private let tracer: OTLPTracer?
    private let http: HTTPClient

    /// The provider at `url`, such as `https://auth.example` or `http://localhost:8000/base`.
    ///
    /// Nothing is connected yet. With `tracer` each call is a part of the trace of the request that it is made for.
    package init(
        url: String,
        limits: AgentexLimits = AgentexLimits(),
        tracer: OTLPTracer? = nil
    ) throws(AgentexURLError) {
        base = try Self.base(of: url)
        self.limits = limits
        self.tracer = tracer
        var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(limits.connecting)
        // A provider that is not there is said at once.
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = limits.connections
        // Less than servers keep a silent connection (uvicorn: 5 s): the next call must not meet its end.
        configuration.connectionPool.idleTimeout = .seconds(3)
        // The caller's accept-encoding is forwarded, so the provider may compress. The limit here is a ratio, 25; what
        // comes out counts against the size of an answer.
        configuration.decompression = HTTPClient.Configuration.singletonConfiguration.decompression
        // The spans are made here, where it is known on whose behalf.
        configuration.tracing.tracer = nil
        http = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// Closes the connections; calls that are under way, and later ones, fail.
    package func shutdown() async throws {
        try await http.shutdown()
    }

    var eventLoop: any EventLoop { http.eventLoopGroup.any() }

    /// POSTs to the path below the provider's URL.
    ///
    /// The future never fails.
    func post(_ path: String, headers: HTTPHeaders, body: [UInt8]) -> EventLoopFuture<AgentexAnswer> {
        do {
            var request = try HTTPClient.Request(
                url: base + path,
                method: .POST,
                headers: headers,
                body: body.isEmpty ? nil : .byteBuffer(ByteBuffer(bytes: body))
            )
            let span = tracer.map { tracer in
                ClientSpan("POST", path: path, to: request.host, port: request.port, in: .current, tracer)
            }
            span?.inject(into: &request.headers)
            let delegate = ResponseAccumulator(request: request, maxBodySize: AgentexLimits.answerBytes)
            return http.execute(request: request, delegate: delegate, deadline: .now() + TimeAmount(limits.call))
                .futureResult
                .map { response in
                    let body = response.body.map { Array($0.readableBytesView) } ?? []
                    return .answered(status: Int(response.status.code), body: body)
                }
                .flatMapErrorThrowing { AgentexAnswer(failure: $0) }
                .map { answer in
                    span?.end(answer)
                    return answer
                }
        } catch {
            return eventLoop.makeSucceededFuture(AgentexAnswer(failure: error))
        }
    }
}

extension ClientSpan {
    fileprivate func end(_ answer: AgentexAnswer) {
        switch answer {
        case .answered(let status, _): end(status: status)
        case .tooLarge: fail("answer_too_large")
        case .failed: fail("unreachable")
        case .notAsked: fail("not_asked")
        }
    }
}

// MARK: - The URL

/// Why a text cannot be the URL of an Agentex provider, in a sentence for the operator.
package struct AgentexURLError: Error, Hashable, Sendable, CustomStringConvertible {
    package let description: String
}

extension AgentexProvider {
    private static func base(of url: String) throws(AgentexURLError) -> String {
        let example = "give one such as https://auth.example or http://localhost:8000/base"
        guard let scheme = ["http://", "https://"].first(where: { url.lowercased().hasPrefix($0) }) else {
            throw AgentexURLError(description: "The URL of the Agentex provider is not of http or https; \(example)")
        }
        guard !url.contains("@") else {
            throw AgentexURLError(
                description: "The URL of the Agentex provider has a user name in it; remove it: "
                    + "the provider is sent the headers of the callers, and no credential of this server's own"
            )
        }
        guard !url.contains("?"), !url.contains("#") else {
            throw AgentexURLError(
                description: "The URL of the Agentex provider has a query or a fragment; "
                    + "remove it: /v1/authn and /v1/authz/check are appended to the URL"
            )
        }
        var base = Substring(url)
        while base.hasSuffix("/") { base.removeLast() }
        let isPlain = base.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }
        guard isPlain, base.utf8.count > scheme.utf8.count, isURL(base + "/v1/authn") else {
            throw AgentexURLError(description: "The URL of the Agentex provider is not a URL with a host; \(example)")
        }
        return String(base)
    }

    private static func isURL(_ text: Substring) -> Bool {
        // Nothing is lost: the error says no more than that it is none.
        guard let request = try? HTTPClient.Request(url: String(text), method: .POST) else { return false }
        return !request.host.isEmpty
    }
}
