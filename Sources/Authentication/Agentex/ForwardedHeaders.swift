import Crypto
import HTTPTypes
import NIOHTTP1

/// The headers of a request as the provider is sent them: each name once, in lower case.
struct ForwardedHeaders: Sendable {
    /// What the contract holds back, and what concerns the client's connection alone and would break this one.
    private static let withheld: Set<String> = [
        "connection", "content-length", "expect", "host", "transfer-encoding",
        "keep-alive", "proxy-connection", "te", "upgrade",
    ]

    /// What proxies and tracers number each request with.
    ///
    /// They are forwarded, but a principal is remembered without them: with them, behind such a proxy, no two requests
    /// would be alike. Nothing else may be on this list: a provider may tell callers apart by any header.
    private static let numbering: Set<String> = [
        "b3", "cf-ray", "traceparent", "tracestate", "x-amzn-trace-id", "x-b3-parentspanid", "x-b3-spanid",
        "x-b3-traceid", "x-cloud-trace-context", "x-request-id",
    ]

    /// In the order of their names.
    private let fields: [(name: String, value: String)]

    /// Nil when a value has a control character, which HTTP does not allow.
    init?(_ headers: HTTPFields) {
        var values: [String: String] = [:]
        for field in headers {
            let name = field.name.canonicalName
            let value = field.value
            guard !Self.withheld.contains(name) else { continue }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return nil }
            // The last one wins, as the contract says. But HTTP/2 splits a cookie header, and that is one:
            // https://www.rfc-editor.org/rfc/rfc9113#section-8.2.3
            if name == "cookie", let crumbs = values[name] {
                values[name] = crumbs + "; " + value
            } else {
                values[name] = value
            }
        }
        fields = values.map { (name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    }

    var http: HTTPHeaders {
        HTTPHeaders(fields.map { ($0.name, $0.value) })
    }

    /// A digest of all that may say who the caller is.
    ///
    /// Without the key nobody can tell from it what the headers were, nor make two requests that share one.
    func digest(under key: SymmetricKey) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in fields where !Self.numbering.contains(name) {
            for text in [name, value] {
                withUnsafeBytes(of: UInt64(text.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
                bytes.append(contentsOf: text.utf8)
            }
        }
        return Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
    }
}
