import Authentication
import HTTPTypes
package import NIOCore

/// The other end of a connection, as far as it says who a caller is.
package struct Peer: Sendable {
    let address: SocketAddress?
    /// See `Credentials.certificateNames`.
    let certificateNames: [String]

    /// Of a connection whose TLS handshake, if it has any, is done.
    package init(_ channel: any Channel) {
        address = channel.remoteAddress
        certificateNames = []
    }

    func credentials(_ head: HTTPRequest, _ isBehindProxy: Bool) -> Credentials {
        Credentials(
            headers: head.headerFields,
            certificateNames: certificateNames,
            source: source(head, isBehindProxy)
        )
    }

    /// Whom a failure is counted against: the client's address, of IPv6 its /64.
    ///
    /// Behind a proxy the last one that `x-forwarded-for` names: the proxy has put it there itself.
    func source(_ head: HTTPRequest, _ isBehindProxy: Bool) -> String {
        if isBehindProxy, let forwarded = head.headerFields[values: .forwardedFor].last?.split(separator: ",").last {
            let name = forwarded.trimmingPrefix { $0 == " " || $0 == "\t" }.prefix(64)
            if !name.isEmpty { return String(name) }
        }
        return address?.ipAddress ?? "local"
    }
}

extension HTTPField.Name {
    /// Who a proxy says its client is.
    static let forwardedFor = HTTPField.Name("x-forwarded-for").unsafelyUnwrapped
}
