package import HTTPTypes
import NIOCore

/// Keeps pages of other sites from making a visitor's browser a client of this server.
///
/// A browser says whose page asks: `Origin` with all that may change something, `Sec-Fetch-Site` with everything to an
/// address that it trusts (this machine, TLS). What says neither is no browser, or one that only reads.
package struct BrowserRule: Sendable {
    package enum Refusal: Sendable {
        /// The page is of another site.
        case page
        /// The server was reached under a name that may be anybody's.
        case name
    }

    /// Everybody is let in without a credential: a site whose name is pointed at this address (DNS rebinding) would get in.
    private let isOpen: Bool
    /// Nobody reaches the server but from this machine, which has no need of another name.
    private let isOnLoopback: Bool
    /// As the table of calls has them.
    private let threadPaths: Set<String>

    /// A GET of `threadPaths` says something about threads.
    package init(isOpen: Bool, isOnLoopback: Bool, threadPaths: Set<String>) {
        self.isOpen = isOpen
        self.isOnLoopback = isOnLoopback
        self.threadPaths = threadPaths
    }

    /// Nil for what a client that is no browser sends, and for what the server's own page asks.
    package func refusal(of head: HTTPRequest) -> Refusal? {
        let origins = head.headerFields[values: .origin]
        let site = head.headerFields.value(of: .fetchSite)
        let own = head.authority ?? head.headerFields.value(of: .hostName)
        guard origins.isEmpty || origins.count == 1 && Self.isOrigin(origins[0], of: own ?? "") else { return .page }
        // What no script asked for has no Origin: a picture, say. A link from elsewhere is followed.
        if let site, site != "same-origin", site != "none", head.headerFields.value(of: .fetchMode) != "navigate" {
            return .page
        }
        guard isOpen else { return nil }
        let isFromPage = !origins.isEmpty || site != nil
        let mayBeFromPage =
            isOnLoopback && own != nil && head.method == .get
            && threadPaths.contains(RoutingMiddleware.route(head.path ?? ""))
        guard isFromPage || mayBeFromPage else { return nil }
        return Authority(own ?? "", defaultPort: 80)?.isNobodysName == true ? nil : .name
    }

    /// Whether an `Origin` is that of a page which was loaded from there; behind a proxy its scheme is another one.
    private static func isOrigin(_ origin: String, of own: String) -> Bool {
        let schemes: [(String, UInt16)] = [("http://", 80), ("https://", 443)]
        guard
            let (scheme, port) = schemes.first(where: { origin.hasPrefix($0.0) }),
            let theirs = Authority(origin.dropFirst(scheme.count), defaultPort: port)
        else { return false }
        return theirs == Authority(own, defaultPort: port)
    }
}

/// `host:port`, as `Host` and `Origin` have it.
private struct Authority: Equatable {
    /// In lower case; an IPv6 address in its brackets.
    private let host: String
    private let port: UInt16

    init?(_ text: some StringProtocol, defaultPort: UInt16) {
        let text = text.lowercased()
        var end = text.firstIndex(of: ":") ?? text.endIndex
        if text.hasPrefix("[") {
            guard let bracket = text.firstIndex(of: "]") else { return nil }
            end = text.index(after: bracket)
        }
        host = String(text[..<end])
        let rest = text[end...]
        let digits = rest.dropFirst()
        guard
            !host.isEmpty, rest.isEmpty || rest.hasPrefix(":"), !digits.hasPrefix("+"),
            let port = digits.isEmpty ? defaultPort : UInt16(digits)
        else { return nil }
        self.port = port
    }

    /// Whether no name server says what the host is: an address, or this machine's own name.
    var isNobodysName: Bool {
        if host == "localhost" || host.hasSuffix(".localhost") { return true }
        let address = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        // It throws for whatever is no address.
        return (try? SocketAddress(ipAddress: address, port: 0)) != nil
    }
}

extension HTTPRequest {
    /// Whether the body is JSON and no page sends it: `BrowserRule` has nothing to refuse.
    ///
    /// One pass over the fields, for the way that takes the fewest steps.
    var isPlainJSON: Bool {
        var isJSON = false
        for field in headerFields {
            switch field.name {
            case .contentType:
                guard !isJSON, field.value == "application/json" else { return false }
                isJSON = true
            case .origin, .fetchSite: return false
            default: break
            }
        }
        return isJSON
    }
}

extension HTTPField.Name {
    /// The initialiser fails only for what is no token.
    ///
    /// `Sec-Fetch-Mode` alone says nothing: the fetch of Node.js sends it.
    fileprivate static let fetchSite = HTTPField.Name("sec-fetch-site") ?? .origin
    /// Of a client that sends no `:authority` over HTTP/2.
    fileprivate static let hostName = HTTPField.Name("host") ?? .origin
    fileprivate static let fetchMode = HTTPField.Name("sec-fetch-mode") ?? .origin
}
