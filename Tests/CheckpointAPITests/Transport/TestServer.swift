import CheckpointAPI
import Checkpoints
import Foundation
import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization
import TestSupport

/// A server on a port of this machine.
struct TestServer: Sendable {
    let port: Int
    let connections: OpenConnections
    let budget: BodyBudget
    /// Closed when the test is over: an open connection keeps its server from ending.
    let clients = Clients()

    final class Clients: Sendable {
        private let channels = Mutex<[any Channel]>([])

        func add(_ channel: any Channel) { channels.withLock { $0.append(channel) } }

        func close() {
            for channel in channels.withLock({ $0 }) { channel.close(promise: nil) }
        }
    }

    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Serves the memory store.
    static func run(
        limits: ConnectionLimits = .quick,
        tls: TLSCertificates? = nil,
        store: some ThreadStore & StoreMaintenance = MemoryStore(),
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        let interface = buildInterface(store: store, logger: silent)
        try await run(interface, limits: limits, tls: tls, body)
    }

    static func run(
        _ interface: HTTPInterface<some HTTPResponder<APIContext>>,
        limits: ConnectionLimits = .quick,
        tls: TLSCertificates? = nil,
        _ body: @escaping @Sendable (TestServer) async throws -> Void
    ) async throws {
        let connections = OpenConnections(limits: limits)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let application = Application(
            responder: interface.responder,
            server: interface.server(connections: connections, tls: tls, logger: silent),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { channel in port.yield(channel.localAddress?.port ?? 0) },
            logger: silent
        )
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await application.run() }
            for await port in ports {
                let server = TestServer(port: port, connections: connections, budget: interface.budget)
                defer { server.clients.close() }
                try await body(server)
                break
            }
            group.cancelAll()
        }
    }

    /// Returns when `condition` holds, and whether it did within 20 seconds.
    static func wait(until condition: () async -> Bool) async throws -> Bool {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if await condition() { return true }
            try await Task.sleep(for: .milliseconds(5))
        }
        return false
    }
}

extension ConnectionLimits {
    /// The limits of a server, looked at so often that a test need not wait.
    static var quick: ConnectionLimits {
        var limits = ConnectionLimits()
        limits.lookInterval = .milliseconds(20)
        return limits
    }
}

/// The files of a server that speaks TLS.
struct TLSFiles {
    let directory: TemporaryDirectory
    let settings: TLSSettings

    init(_ pair: TestAuthority.Pair, clients: TestAuthority? = nil, http2: Bool = true) throws {
        directory = try TemporaryDirectory()
        settings = TLSSettings(
            certificateFile: directory.file("certificate.pem"),
            keyFile: directory.file("key.pem"),
            clientCAFile: clients == nil ? nil : directory.file("clients.pem"),
            http2: http2
        )
        try write(pair)
        if let clients {
            try clients.pem.write(toFile: directory.file("clients.pem"), atomically: true, encoding: .utf8)
        }
    }

    func write(_ pair: TestAuthority.Pair) throws {
        try pair.certificate.write(toFile: settings.certificateFile, atomically: true, encoding: .utf8)
        try pair.key.write(toFile: settings.keyFile, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: settings.keyFile)
    }
}

/// Answers with the names of the client's certificate.
struct NamesResponder: HTTPResponder {
    typealias Context = APIContext

    @concurrent
    func respond(to request: Request, context: APIContext) async throws -> Response {
        _ = try await request.body.collect(upTo: 1_000)
        let names = context.client.certificateNames.joined(separator: " ")
        return Response(status: .ok, body: ResponseBody(byteBuffer: ByteBuffer(string: "names: [\(names)]")))
    }

    static var interface: HTTPInterface<NamesResponder> {
        HTTPInterface(
            responder: NamesResponder(),
            direct: DirectCalls(
                [], access: .forEverybody, log: RequestLog(logger: TestServer.silent)),
            budget: BodyBudget(limit: 1_000_000)
        )
    }
}
