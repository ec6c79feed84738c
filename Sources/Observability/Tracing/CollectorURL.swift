import AsyncHTTPClient
import JSON

/// Where spans are sent, and with which credentials.
package struct CollectorURL: Hashable, Sendable, CustomStringConvertible {
    /// Why a text is none, in words for the operator that follow the option's name.
    package struct Refused: Error, Hashable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// Without user and password.
    let target: String
    /// The header `authorization`, when the URL has a user.
    let authorization: String?

    /// `http://collector:4318` stands for `http://collector:4318/v1/traces`; a user and a password are sent as HTTP's
    /// basic authentication.
    package init(_ text: String) throws(Refused) {
        let example = "give one such as http://127.0.0.1:4318/v1/traces"
        guard let scheme = ["http://", "https://"].first(where: { text.lowercased().hasPrefix($0) }) else {
            throw Refused(description: "is not a URL of http or https; \(example)")
        }
        let isPlain = text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\\") }
        guard isPlain, !text.contains("#") else {
            throw Refused(description: "is not a URL; \(example)")
        }
        let rest = text.dropFirst(scheme.utf8.count)
        var authority = rest.prefix { $0 != "/" && $0 != "?" }
        let path = rest[authority.endIndex...]
        if let at = authority.lastIndex(of: "@") {
            authorization = "Basic " + Self.base64(authority[..<at].split(separator: ":", maxSplits: 1))
            authority = authority[authority.index(after: at)...]
        } else {
            authorization = nil
        }
        let isOfHost = path.isEmpty || path == "/" || path.first == "?"
        target = scheme + authority + (isOfHost ? "/v1/traces" + path.drop { $0 == "/" } : path)
        // Nothing is lost: the error says no more than that it is none.
        guard !authority.isEmpty, let request = try? HTTPClient.Request(url: target), !request.host.isEmpty else {
            throw Refused(description: "has no host; \(example)")
        }
    }

    /// For the log: neither user nor password, and no query, which may hold a key.
    package var description: String {
        String(target.prefix { $0 != "?" })
    }

    /// Of `user:password`, with their escapes decoded.
    private static func base64(_ parts: [Substring]) -> String {
        let user = parts.first.map { decoded($0) } ?? []
        let password = parts.count > 1 ? decoded(parts[1]) : []
        let bytes = user + [UInt8(ascii: ":")] + password
        return String(unsafeUninitializedCapacity: Base64.encodedCount(bytes.count)) { output in
            bytes.withUnsafeBytes { Base64.encode($0, into: UnsafeMutableRawBufferPointer(output)) }
            return output.count
        }
    }

    private static func decoded(_ text: Substring) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), digits.utf8.count == 2, let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return bytes
    }
}
