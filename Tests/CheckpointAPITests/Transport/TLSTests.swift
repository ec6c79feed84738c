import AsyncHTTPClient
import CheckpointAPI
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization
import Testing

/// TLS on real sockets.
@Suite("TLS", .timeLimit(.minutes(5)))
struct TLSTests {
    private let authority: TestAuthority

    init() throws { authority = try TestAuthority() }

    private static let get = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"

    /// The serial number of the certificate that a server shows to a new connection.
    private func shown(_ server: TestServer) async throws -> [UInt8]? {
        let seen = Mutex<[UInt8]?>(nil)
        var configuration = try authority.client()
        configuration.certificateVerification = .noHostnameVerification
        let client = try await RawClient(server, tls: configuration)
        try await client.send(Self.get)
        let certificate = try await client.channel.nioSSL_peerCertificate().get()
        seen.withLock { $0 = certificate?.serialNumber }
        try await client.channel.close()
        return seen.withLock { $0 }
    }

    @Test("a call over TLS is answered, and told to stay with it")
    func call() async throws {
        let files = try TLSFiles(authority.pair())
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        let configuration = try authority.client()
        try await TestServer.run(tls: tls) { server in
            var client = try await RawClient(server, tls: configuration)
            for body in [#"{"thread_id":"t"}"#, "{}"] {
                try await client.post("/checkpoints/list", body)
                let answer = await client.answer()
                #expect(answer.hasPrefix(body == "{}" ? "HTTP/1.1 422" : "HTTP/1.1 200"))
                #expect(answer.contains("Strict-Transport-Security: max-age=31536000\r\n"))
            }
            try await client.send(Self.get)
            #expect(await client.answer().contains("Strict-Transport-Security: max-age=31536000\r\n"))
        }
    }

    @Test("a replaced certificate is shown to new connections while the old ones go on")
    func reload() async throws {
        let files = try TLSFiles(authority.pair())
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        let configuration = try authority.client()
        try await TestServer.run(tls: tls) { server in
            var old = try await RawClient(server, tls: configuration)
            try await old.send(Self.get)
            #expect(await old.answer().hasPrefix("HTTP/1.1 200"))
            let before = try await shown(server)
            try files.write(authority.pair())
            tls.look()
            #expect(try await shown(server) == before)
            tls.look()
            #expect(try await shown(server) != before)
            try await old.send(Self.get)
            #expect(await old.answer().hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test("a changed pair that does not fit keeps the old one, and is logged once")
    func badPair() async throws {
        let files = try TLSFiles(authority.pair())
        let log = LineCounter()
        let tls = try TLSCertificates(files.settings, logger: Logger(label: "test") { _ in log })
        let other = try authority.pair()
        let changed = TestAuthority.Pair(certificate: try authority.pair().certificate, key: other.key)
        try await TestServer.run(tls: tls) { server in
            let before = try await shown(server)
            try files.write(changed)
            for _ in 0..<5 { tls.look() }
            #expect(try await shown(server) == before)
            #expect(log.errors == 1)
            try files.write(other)
            for _ in 0..<5 { tls.look() }
            #expect(try await shown(server) != before)
            #expect(log.errors == 1)
        }
    }

    /// What becomes of files before they are loaded, and a part of the sentence about it.
    private static let mistakes: [(@Sendable (TLSFiles) throws -> Void, String)] = [
        ({ try FileManager.default.removeItem(atPath: $0.settings.certificateFile) }, "check --tls-certificate-file"),
        ({ try FileManager.default.removeItem(atPath: $0.settings.keyFile) }, "check --tls-key-file"),
        ({ chmod($0.settings.keyFile, 0o604) }, "run 'chmod o= "),
        ({ try Data().write(to: URL(filePath: $0.settings.certificateFile)) }, "has no certificate in PEM form"),
        ({ try Data("x".utf8).write(to: URL(filePath: $0.settings.keyFile)) }, "has no private key in PEM form"),
        (
            { try $0.write(.init(certificate: try TestAuthority().pem, key: try TestAuthority().pair().key)) },
            "does not belong to the first certificate"
        ),
    ]

    @Test("files that cannot be used are refused with what to do", arguments: 0..<6)
    func refused(_ number: Int) throws {
        let files = try TLSFiles(authority.pair())
        let (mistake, sentence) = Self.mistakes[number]
        try mistake(files)
        let error = #expect(throws: TLSError.self) { try files.settings.load() }
        #expect(error?.description.contains(sentence) == true, "\(String(describing: error))")
    }

    @Test("an expired certificate is a warning, and one that is valid none")
    func expired() throws {
        let files = try TLSFiles(authority.pair(lifetime: -60))
        let expired = try files.settings.load().warnings
        #expect(expired.count == 1 && expired.allSatisfy { $0.contains("has expired") })
        try files.write(authority.pair())
        #expect(try files.settings.load().warnings.isEmpty)
    }

    @Test(
        "TLS 1.2 and 1.3 are spoken, 1.1 and plain HTTP are not", arguments: [TLSVersion.tlsv11, .tlsv12, .tlsv13, nil])
    func versions(_ version: TLSVersion?) async throws {
        let files = try TLSFiles(authority.pair())
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        let configuration = try version.map { try authority.client(upTo: $0) }
        try await TestServer.run(tls: tls) { server in
            var client = try await RawClient(server, tls: configuration)
            // Fails where the handshake does.
            try? await client.send(Self.get)
            if version == .tlsv12 || version == .tlsv13 {
                #expect(await client.answer().hasPrefix("HTTP/1.1 200"))
            } else {
                #expect(await client.rest().contains("HTTP/") == false)
            }
        }
    }

    @Test("a handshake that does not go on is ended")
    func handshake() async throws {
        let files = try TLSFiles(authority.pair())
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        var limits = ConnectionLimits.quick
        limits.handshake = .milliseconds(200)
        try await TestServer.run(limits: limits, tls: tls) { server in
            var client = try await RawClient(server)
            #expect(await client.rest() == "")
            #expect(try await TestServer.wait { server.connections.count == 0 })
        }
    }

    @Test("HTTP/2 is spoken with who offers it, where it is on", arguments: [true, false])
    func http2(_ isOn: Bool) async throws {
        let files = try TLSFiles(authority.pair(), http2: isOn)
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        var configuration = HTTPClient.Configuration()
        configuration.tlsConfiguration = try authority.client()
        try await TestServer.run(tls: tls) { [configuration] server in
            try await HTTPClient.run(configuration) { client in
                for body in [#"{"thread_id":"t"}"#, #"{"thread_id":7}"#] {
                    var request = HTTPClientRequest(url: "https://localhost:\(server.port)/checkpoints/list")
                    request.method = .POST
                    request.headers.add(name: "content-type", value: "application/json")
                    request.body = .bytes(ByteBuffer(string: body))
                    let answer = try await client.execute(request, timeout: .seconds(20))
                    #expect(answer.version == (isOn ? .http2 : .http1_1))
                    #expect(answer.status.code == (body.contains("7") ? 422 : 200))
                    #expect(answer.headers["strict-transport-security"] == ["max-age=31536000"])
                    #expect(try await answer.body.collect(upTo: 1_000).readableBytes > 0)
                }
            }
        }
    }
}

/// Counts what is logged as an error.
final class LineCounter: LogHandler {
    private let count = Mutex(0)
    var errors: Int { count.withLock { $0 } }
    var logLevel: Logger.Level {
        get { .trace }
        set {}
    }
    var metadata: Logger.Metadata {
        get { [:] }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }

    func log(event: LogEvent) {
        if event.level == .error { count.withLock { $0 += 1 } }
    }
}

extension HTTPClient {
    /// A client of its own, ended whatever happens.
    static func run(_ configuration: Configuration, _ body: (HTTPClient) async throws -> Void) async throws {
        let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
        do {
            try await body(client)
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }
}
