import CheckpointAPI
import HTTPTypes
import NIOCore
import Testing

/// Whom failed credentials are counted against.
@Suite("Connected clients")
struct ConnectedClientTests {
    private static let forwarded = HTTPField.Name("x-forwarded-for") ?? .cacheControl

    private func source(_ address: String, _ forwarded: [String] = [], behindProxy: Bool = false) throws -> String {
        var head = HTTPRequest(method: .get, scheme: "http", authority: "x", path: "/")
        for value in forwarded { head.headerFields.append(HTTPField(name: Self.forwarded, value: value)) }
        let client = ConnectedClient(address: try SocketAddress(ipAddress: address, port: 1))
        return client.source(of: head, behindProxy: behindProxy)
    }

    @Test("the source is the address, of IPv6 its network")
    func direct() throws {
        #expect(try source("192.0.2.1") == "192.0.2.1")
        #expect(try source("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64")
        #expect(try source("::1") == "0:0:0:0::/64")
        #expect(try source("::ffff:192.0.2.1") == "192.0.2.1")
        #expect(
            ConnectedClient(address: nil).source(
                of: HTTPRequest(method: .get, scheme: nil, authority: nil, path: "/"), behindProxy: false) == "local")
    }

    @Test("what a client says of itself counts only behind a proxy, and only the last of it")
    func proxied() throws {
        #expect(try source("192.0.2.1", ["198.51.100.7"]) == "192.0.2.1")
        #expect(try source("192.0.2.1", ["198.51.100.7"], behindProxy: true) == "198.51.100.7")
        #expect(try source("192.0.2.1", ["203.0.113.9, 198.51.100.7 "], behindProxy: true) == "198.51.100.7")
        #expect(try source("192.0.2.1", ["203.0.113.9", "198.51.100.7"], behindProxy: true) == "198.51.100.7")
        #expect(try source("192.0.2.1", ["[2001:db8::1]:443"], behindProxy: true) == "2001:db8:0:0::/64")
        #expect(try source("192.0.2.1", ["198.51.100.7:443"], behindProxy: true) == "198.51.100.7")
        #expect(try source("192.0.2.1", ["198.51.100.7, unknown"], behindProxy: true) == "192.0.2.1")
        #expect(try source("192.0.2.1", behindProxy: true) == "192.0.2.1")
    }
}
