import CInspectorPage
import Crypto
import HTTPTypes
import Hummingbird
import JSON
import NIOCore

/// The page of the inspector: HTML with one script and one style in it, which the content policy names by their digests.
///
/// It has nothing of anybody's threads: it asks for that like any client, and shows what its caller may see.
struct InspectorPage: Sendable {
    static let path = "/inspector"

    /// Made when somebody asks for it first; a digest of some 200 kB.
    static let shared = InspectorPage()

    private let content: ByteBuffer
    let headers: HTTPFields

    private init() {
        let page = milepost_inspector_page()
        let bytes = UnsafeRawBufferPointer(start: page.start, count: page.count)
        content = ByteBuffer(bytes: bytes)
        let text = String(decoding: bytes, as: UTF8.self)
        headers = [
            .contentType: "text/html; charset=utf-8",
            .contentSecurityPolicy: Self.policy(
                script: Self.digest(of: Self.inside("script type=\"module\"", "script", of: text)),
                style: Self.digest(of: Self.inside("style", "style", of: text))
            ),
            // A new program may have a new page.
            .cacheControl: "no-cache",
            .eTag: "\"\(Self.digest(of: text[...]))\"",
            .xContentTypeOptions: "nosniff",
            .referrerPolicy: "no-referrer",
            .openerPolicy: "same-origin",
            .resourcePolicy: "same-origin",
        ]
    }

    /// 304 for who has it already.
    func response(to request: Request) -> Response {
        if let known = request.headers[.ifNoneMatch], known == headers[.eTag] {
            return Response(status: .notModified, headers: headers)
        }
        return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: content))
    }

    /// Nothing comes from elsewhere and nothing goes there; what is stored can never become a script.
    private static func policy(script: String, style: String) -> String {
        [
            "default-src 'none'", "script-src 'sha256-\(script)'", "style-src 'sha256-\(style)'", "img-src data:",
            "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ].joined(separator: "; ")
    }

    private static func digest(of text: Substring) -> String {
        var writer = JSONWriter()
        writer.base64(Array(SHA256.hash(data: Array(text.utf8))))
        return String(decoding: writer.bytes.dropFirst().dropLast(), as: UTF8.self)
    }

    /// What an element of the page has in it, from its only start to its only end.
    private static func inside(_ start: String, _ end: String, of text: String) -> Substring {
        guard let opening = text.firstRange(of: "<\(start)>"),
            let closing = text[opening.upperBound...].firstRange(of: "</\(end)>")
        else { preconditionFailure("the inspector's page has one \(end)") }
        return text[opening.upperBound..<closing.lowerBound]
    }
}

extension Endpoint {
    /// Open to everybody: what it shows is asked for with the caller's credential.
    static func inspectorPage() -> Endpoint {
        Endpoint(.get, InspectorPage.path) { request, _ in InspectorPage.shared.response(to: request) }
    }
}

// The initialisers fail only for what is no token.
extension HTTPField.Name {
    fileprivate static let referrerPolicy = HTTPField.Name("referrer-policy") ?? .cacheControl
    fileprivate static let openerPolicy = HTTPField.Name("cross-origin-opener-policy") ?? .cacheControl
    fileprivate static let resourcePolicy = HTTPField.Name("cross-origin-resource-policy") ?? .cacheControl
}
