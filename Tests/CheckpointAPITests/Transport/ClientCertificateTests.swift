import AsyncHTTPClient
import CheckpointAPI
import NIOCore
import NIOHTTP1
import NIOSSL
import Testing
import X509

/// Client certificates on real sockets.
@Suite("Client certificates", .timeLimit(.minutes(5)))
struct ClientCertificateTests {
    private let authority: TestAuthority
    private let clients: TestAuthority
    private let tls: TLSCertificates
    private let files: TLSFiles

    init() throws {
        authority = try TestAuthority()
        clients = try TestAuthority()
        files = try TLSFiles(authority.pair(), clients: clients)
        tls = try TLSCertificates(files.settings, logger: TestServer.silent)
    }

    private static let names: [GeneralName] = [
        .uniformResourceIdentifier("spiffe://example/agent"), .dnsName("agent-1"), .rfc822Name("a@example"),
    ]
    private static let read = "names: [URI:spiffe://example/agent DNS:agent-1]"

    /// A body of known length is collected on the event loop, a chunked one is streamed to a task.
    private static let requests = [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    ]

    @Test("the names of a verified certificate reach both ways of answering", arguments: [TLSVersion.tlsv12, .tlsv13])
    func verified(_ version: TLSVersion) async throws {
        let configuration = try authority.client(showing: clients.pair(Self.names), upTo: version)
        try await TestServer.run(NamesResponder.interface, tls: tls) { server in
            var client = try await RawClient(server, tls: configuration)
            for request in Self.requests + Self.requests {
                try await client.send(request)
                #expect(await client.answer().hasSuffix(Self.read))
            }
        }
    }

    @Test("the names reach each stream of HTTP/2")
    func streams() async throws {
        var configuration = HTTPClient.Configuration()
        configuration.tlsConfiguration = try authority.client(showing: clients.pair(Self.names))
        try await TestServer.run(NamesResponder.interface, tls: tls) { [configuration] server in
            try await HTTPClient.run(configuration) { client in
                for method in ["GET", "POST", "POST"] {
                    var request = HTTPClientRequest(url: "https://localhost:\(server.port)/")
                    request.method = .init(rawValue: method)
                    if method == "POST" { request.body = .bytes(ByteBuffer(string: "{}")) }
                    let answer = try await client.execute(request, timeout: .seconds(20))
                    #expect(answer.version == .http2)
                    #expect(String(buffer: try await answer.body.collect(upTo: 1_000)) == Self.read)
                }
            }
        }
    }

    @Test("a client without a certificate is let through without a name")
    func none() async throws {
        let configuration = try authority.client()
        try await TestServer.run(NamesResponder.interface, tls: tls) { server in
            var client = try await RawClient(server, tls: configuration)
            for request in Self.requests {
                try await client.send(request)
                #expect(await client.answer().hasSuffix("names: []"))
            }
        }
    }

    @Test(
        "a certificate that the client CA has not signed, or that has expired, ends the connection",
        arguments: [TLSVersion.tlsv12, .tlsv13], [true, false]
    )
    func refused(_ version: TLSVersion, _ isForeign: Bool) async throws {
        // The server's own authority signs no clients.
        let pair = try isForeign ? authority.pair(Self.names) : clients.pair(Self.names, lifetime: -60)
        let configuration = try authority.client(showing: pair, upTo: version)
        try await TestServer.run(NamesResponder.interface, tls: tls) { server in
            var client = try await RawClient(server, tls: configuration)
            // Fails where the client hears of the refusal before it has sent.
            try? await client.send(Self.requests[2])
            #expect(await client.rest() == "")
        }
    }

    @Test("without a client CA a certificate is not asked for, and has no name")
    func off() async throws {
        let files = try TLSFiles(authority.pair())
        let tls = try TLSCertificates(files.settings, logger: TestServer.silent)
        let configuration = try authority.client(showing: clients.pair(Self.names))
        try await TestServer.run(NamesResponder.interface, tls: tls) { server in
            var client = try await RawClient(server, tls: configuration)
            try await client.send(Self.requests[0])
            #expect(await client.answer().hasSuffix("names: []"))
        }
    }
}
