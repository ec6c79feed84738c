/// Where the issuer's keys are.
package enum JWKSLocation: Hashable, Sendable {
    /// An absolute path.
    case file(String)
    /// An `https://` URL, or an `http://` one of this machine.
    case url(String)

    /// Nil for anything else, such as a relative path, or `http://` to another machine.
    init?(_ text: String) {
        if text.hasPrefix("/") {
            guard !text.utf8.contains(0) else { return nil }
            self = .file(text)
            return
        }
        guard text.utf8.allSatisfy(Self.mayStandInURL) else { return nil }
        if let host = Self.host(of: text, scheme: "https://"), !host.isEmpty {
            self = .url(text)
        } else if let host = Self.host(of: text, scheme: "http://"), Self.loopback.contains(host) {
            self = .url(text)
        } else {
            return nil
        }
    }

    private static let loopback: Set<String> = ["127.0.0.1", "[::1]", "localhost"]

    /// Everything printable but what makes readers of URLs differ about the host: user names, fragments, backslashes.
    private static func mayStandInURL(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && !"@#\\\"<>^`{|}".utf8.contains(byte)
    }

    private static func host(of url: String, scheme: String) -> String? {
        guard url.hasPrefix(scheme) else { return nil }
        let authority = url.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }
        guard authority.hasPrefix("[") else { return String(authority.prefix { $0 != ":" }) }
        guard let end = authority.firstIndex(of: "]") else { return nil }
        return String(authority[...end])
    }
}
