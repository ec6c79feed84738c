package import HTTPTypes
package import NIOCore

/// Who is at the other end of a connection, as far as the connection shows.
package final class ConnectedClient: Sendable {
    /// On the way through a task: the client whose connection the task serves; nil without TLS.
    @TaskLocal static var current: ConnectedClient?

    /// The names of the certificate that TLS has verified, such as `URI:spiffe://example/agent` and `DNS:agent`; empty
    /// without one.
    package let certificateNames: [String]
    private let address: SocketAddress?

    package init(certificateNames: [String] = [], address: SocketAddress?) {
        self.certificateNames = certificateNames
        self.address = address
    }

    /// The client of a channel, asked in the task that serves its connection.
    static func of(_ channel: any Channel) -> ConnectedClient {
        current ?? ConnectedClient(address: channel.remoteAddress)
    }

    /// Whom to throttle: the client's address, or behind a trusted proxy the last one in `x-forwarded-for`, which that
    /// proxy wrote.
    ///
    /// Of an IPv6 address the network of 64 bits: one client has as many addresses in it as it likes. Made when asked for.
    package func source(of head: HTTPRequest, behindProxy: Bool) -> String {
        if behindProxy, let last = head.headerFields[values: .forwardedFor].last?.split(separator: ",").last {
            let text = String(last).trimmed
            if let address = Self.address(text) { return Self.source(address) }
        }
        return address.map(Self.source) ?? "local"
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; nil for anything else.
    private static func address(_ text: String) -> SocketAddress? {
        var host = text
        if text.hasPrefix("[") {
            host = String(text.dropFirst().prefix { $0 != "]" })
        } else if text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1 {
            host = String(text.prefix { $0 != ":" })
        }
        // What is no address is nobody's; the proxy's own stands for it.
        return try? SocketAddress(ipAddress: host, port: 0)
    }

    private static func source(_ address: SocketAddress) -> String {
        guard case .v6 = address else { return address.ipAddress ?? "local" }
        // sockaddr_in6 has the address behind family, port and flow.
        let bytes = address.withSockAddr { socket, size in
            Array(UnsafeRawBufferPointer(start: socket, count: size)[8..<24])
        }
        if bytes.starts(with: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) {
            return bytes[12...].map { String($0) }.joined(separator: ".")
        }
        let groups = stride(from: 0, to: 8, by: 2).map { String(Int(bytes[$0]) << 8 | Int(bytes[$0 + 1]), radix: 16) }
        return groups.joined(separator: ":") + "::/64"
    }
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}

extension HTTPField.Name {
    /// The initialiser fails only for what is no token.
    fileprivate static let forwardedFor = HTTPField.Name("x-forwarded-for") ?? .cacheControl
}
