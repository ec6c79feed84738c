import Authentication
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization
import Testing

/// An Agentex provider on a real socket that answers by one function, and remembers what it was asked.
final class StubProvider: Sendable {
    struct Call: Sendable {
        let method: String
        let path: String
        /// With their names as they were written.
        let headers: [(name: String, value: String)]
        let body: String

        subscript(name: String) -> String? {
            headers.last { $0.name == name }?.value
        }
    }

    enum Ending: Sendable {
        case whole
        /// The connection is closed after the first byte of the body.
        case broken
        /// Nothing comes after the first byte of the body.
        case silent
    }

    struct Answer: Sendable {
        var status = 200
        var body: [UInt8] = Array("null".utf8)
        var headers: HTTPFields = [:]
        var ending = Ending.whole

        init(_ status: Int = 200, _ body: String = "{}") {
            self.status = status
            self.body = Array(body.utf8)
        }
    }

    private struct BrokenOff: Error {}

    private final class Log: Sendable {
        let calls = Mutex<[Call]>([])
    }

    let url: String
    private let log: Log
    var calls: [Call] { log.calls.withLock { $0 } }

    private init(url: String, log: Log) {
        self.url = url
        self.log = log
    }

    /// Runs `body` beside a provider that answers with `answer`.
    static func with(
        answer: @escaping @Sendable (Call) async throws -> Answer,
        _ body: (StubProvider) async throws -> Void
    ) async throws {
        let log = Log()
        // Who asks for another provider, which had this port before, is not this one's caller.
        let base = "/provider-\(UInt64.random(in: 0...UInt64.max))"
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            responder: CallbackResponder<BasicRequestContext> { request, _ in
                guard let path = request.head.path, path.hasPrefix(base) else { return Self.response(Answer(404)) }
                let call = Call(
                    method: request.method.rawValue,
                    path: String(path.dropFirst(base.count)),
                    headers: request.headers.map { ($0.name.rawName, $0.value) },
                    body: String(buffer: try await request.body.collect(upTo: 1 << 20))
                )
                log.calls.withLock { $0.append(call) }
                return Self.response(try await answer(call))
            },
            configuration: .init(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in
                if let found = channel.localAddress?.port { port.yield(found) }
                port.finish()
            },
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let running = Task { try await application.run() }
        defer { running.cancel() }
        let found = try #require(await ports.first { _ in true })
        try await body(StubProvider(url: "http://127.0.0.1:\(found)\(base)", log: log))
    }

    private static func response(_ answer: Answer) -> Response {
        guard answer.ending != .whole else {
            return Response(
                status: .init(code: answer.status),
                headers: answer.headers,
                body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
            )
        }
        return Response(
            status: .init(code: answer.status),
            headers: answer.headers,
            body: ResponseBody(contentLength: answer.body.count) { writer in
                try await writer.write(ByteBuffer(bytes: answer.body.prefix(1)))
                if answer.ending == .broken { throw BrokenOff() }
                try await Task.sleep(for: .seconds(600))
            }
        )
    }
}

/// Lets nobody pass until it is opened.
final class Gate: Sendable {
    private let isOpen = Mutex(false)
    private let waiting = Mutex<[CheckedContinuation<Void, Never>]>([])

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = isOpen.withLock { isOpen in
                if !isOpen { waiting.withLock { $0.append(continuation) } }
                return isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let passing = isOpen.withLock { isOpen in
            isOpen = true
            return waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
        }
        for continuation in passing { continuation.resume() }
    }
}

/// A clock that only a test moves.
final class SetClock: Sendable {
    private let instant = Mutex(ContinuousClock.now)

    var now: @Sendable () -> ContinuousClock.Instant {
        { self.instant.withLock { $0 } }
    }

    func advance(by duration: Duration) {
        instant.withLock { $0 += duration }
    }
}

extension AgentexLimits {
    /// As they are, with time for a stub that others keep from answering.
    static var patient: AgentexLimits {
        var limits = AgentexLimits()
        limits.connecting = .seconds(120)
        limits.call = .seconds(120)
        return limits
    }
}

extension AgentexProvider {
    /// Runs `body` with a provider's client, and ends it afterwards.
    static func with(
        _ url: String,
        limits: AgentexLimits = .patient,
        _ body: (AgentexProvider) async throws -> Void
    ) async throws {
        let provider = try AgentexProvider(url: url, limits: limits)
        do {
            try await body(provider)
        } catch {
            try await provider.shutdown()
            throw error
        }
        try await provider.shutdown()
    }

    /// The same beside a stub that answers with `answer`.
    static func withStub(
        limits: AgentexLimits = .patient,
        answer: @escaping @Sendable (StubProvider.Call) async throws -> StubProvider.Answer,
        _ body: (AgentexProvider, StubProvider) async throws -> Void
    ) async throws {
        try await StubProvider.with(answer: answer) { stub in
            try await AgentexProvider.with(stub.url, limits: limits) { try await body($0, stub) }
        }
    }
}

extension Credentials {
    /// Headers as a client sends them, in that order.
    init(_ headers: [(String, String)]) {
        var fields = HTTPFields()
        for (name, value) in headers {
            if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
        }
        self.init(headers: fields, source: "127.0.0.1")
    }
}
