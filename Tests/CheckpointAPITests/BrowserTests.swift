import CheckpointAPI
import Checkpoints
import HTTPTypes
import Testing

/// What a browser sends for a page of another site is refused; what no browser sends is not.
@Suite("Browsers")
struct BrowserTests {
    private static let keyed = BrowserRule(
        isOpen: false, isOnLoopback: false, threadPaths: ["/threads", "/threads/{thread_id}"])
    private static let open = BrowserRule(
        isOpen: true, isOnLoopback: false, threadPaths: ["/threads", "/threads/{thread_id}"])
    private static let onLoopback = BrowserRule(
        isOpen: true, isOnLoopback: true, threadPaths: ["/threads", "/threads/{thread_id}"])

    /// The rule's answer to a request with these fields, each `name: value`.
    private static func refusal(
        _ rule: BrowserRule,
        _ method: HTTPRequest.Method = .post,
        _ path: String = "/threads",
        host: String?,
        _ fields: String...
    ) -> BrowserRule.Refusal? {
        var head = HTTPRequest(method: method, scheme: "http", authority: host, path: path)
        for field in fields {
            let parts = field.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, let name = HTTPField.Name(String(parts[0])) else { continue }
            head.headerFields.append(HTTPField(name: name, value: String(parts[1].dropFirst())))
        }
        return rule.refusal(of: head)
    }

    @Test(
        "A page of the server's own has its Host as Origin",
        arguments: [
            ("127.0.0.1:5003", "http://127.0.0.1:5003"), ("milepost.example", "https://milepost.example"),
            ("Milepost.Example", "https://milepost.example"), ("milepost.example:443", "https://milepost.example"),
            ("milepost.example", "https://milepost.example:443"), ("localhost", "http://localhost:80"),
            ("[::1]:5003", "http://[::1]:5003"), ("[::1]", "http://[::1]"), ("localhost:80", "http://localhost"),
            ("milepost.example:8443", "https://milepost.example:8443"), ("h:", "http://h"),
        ])
    func own(_ host: String, _ origin: String) {
        #expect(Self.refusal(Self.keyed, host: host, "origin: \(origin)") == nil)
    }

    @Test(
        "Any other Origin is another site's",
        arguments: [
            ("127.0.0.1:5003", "http://evil.example"), ("127.0.0.1:5003", "http://127.0.0.1:5004"),
            ("127.0.0.1:5003", "http://127.0.0.1"), ("127.0.0.1:5003", "null"), ("127.0.0.1:5003", "http://"),
            ("127.0.0.1:5003", "127.0.0.1:5003"), ("127.0.0.1:5003", "file://127.0.0.1:5003"),
            ("127.0.0.1:5003", "chrome-extension://127.0.0.1:5003"), ("127.0.0.1:5003", ""),
            ("127.0.0.1:5003", "http://127.0.0.1:5003.evil.example"), ("h", "http://h.evil.example"),
            ("h", "http://evil.example/h"), ("h", "http://h@evil.example"), ("h", "http://evil.example#h"),
            ("h", "http://h http://evil.example"), ("milepost.example", "https://evil-milepost.example"),
            ("milepost.example", "https://milepost.example:8443"), ("milepost.example:80", "https://milepost.example"),
            ("[::1]:5003", "http://[::2]:5003"), ("[::1]:5003", "http://[::1:5003"), ("[::1]:1", "http://[::1]1"),
            ("h:1", "http://h:+1"), ("h:99999", "http://h:99999"), ("", "http://"),
        ])
    func foreign(_ host: String, _ origin: String) {
        for rule in [Self.keyed, Self.open, Self.onLoopback] {
            #expect(Self.refusal(rule, host: host, "origin: \(origin)") == .page)
            #expect(Self.refusal(rule, .get, "/healthz", host: host, "origin: \(origin)") == .page)
        }
    }

    @Test("One Origin, and a Host to compare it with")
    func counts() {
        let own = "origin: http://localhost"
        #expect(Self.refusal(Self.keyed, host: "localhost", own, own) == .page)
        #expect(Self.refusal(Self.keyed, host: "localhost", own, "origin: null") == .page)
        #expect(Self.refusal(Self.keyed, host: nil, own) == .page)
        // Over HTTP/2 a client may send the name as a field.
        #expect(Self.refusal(Self.keyed, host: nil, own, "host: localhost") == nil)
    }

    @Test("What has no Origin is told by its site, unless somebody follows a link")
    func sites() {
        let host = "127.0.0.1:5003"
        for site in ["cross-site", "same-site"] {
            let picture = Self.refusal(
                Self.open, .get, host: host, "sec-fetch-site: \(site)", "sec-fetch-mode: no-cors")
            #expect(picture == .page)
            #expect(Self.refusal(Self.open, .get, host: host, "sec-fetch-site: \(site)") == .page)
            let link = Self.refusal(Self.open, .get, host: host, "sec-fetch-site: \(site)", "sec-fetch-mode: navigate")
            #expect(link == nil)
        }
        for site in ["same-origin", "none"] {
            #expect(Self.refusal(Self.open, .get, host: host, "sec-fetch-site: \(site)") == nil)
        }
    }

    @Test("Without authentication a browser uses an address or localhost")
    func names() {
        let names = [
            "evil.example:5003", "milepost:5003", "localhost.evil.example", "127.0.0.1.evil.example", "::1", "127.1",
        ]
        for name in names + ["[evil.example]", "1.2.3.4.5", "notlocalhost", ""] {
            for rule in [Self.open, Self.onLoopback] {
                if name != "" && name != "::1" {
                    #expect(Self.refusal(rule, host: name, "origin: http://\(name)") == .name, "\(name)")
                }
                #expect(Self.refusal(rule, .get, host: name, "sec-fetch-site: same-origin") == .name, "\(name)")
            }
            #expect(Self.refusal(Self.onLoopback, .get, host: name) == .name, "\(name)")
        }
        for address in [
            "127.0.0.1:5003", "10.1.2.3", "[::1]:5003", "[2001:db8::1]", "localhost:5003", "LOCALHOST", "a.localhost:1",
        ] {
            for rule in [Self.open, Self.onLoopback] {
                #expect(Self.refusal(rule, host: address, "origin: http://\(address)") == nil, "\(address)")
                #expect(Self.refusal(rule, .get, host: address, "sec-fetch-site: same-origin") == nil, "\(address)")
                #expect(Self.refusal(rule, .get, host: address) == nil, "\(address)")
            }
        }
        // With a credential it is anybody's who has it.
        #expect(Self.refusal(Self.keyed, host: "evil.example", "origin: http://evil.example") == nil)
    }

    @Test("What is no browser goes on under any name")
    func others() {
        // An agent in a network of containers; Node.js' fetch says how, but not for which site.
        #expect(Self.refusal(Self.open, host: "milepost:5003") == nil)
        #expect(Self.refusal(Self.open, .get, host: "milepost:5003", "sec-fetch-mode: cors") == nil)
        // On loopback only a browser's GET looks like anybody else's.
        #expect(Self.refusal(Self.onLoopback, host: "milepost:5003", "sec-fetch-mode: cors") == nil)
        #expect(Self.refusal(Self.onLoopback, .get, "/healthz", host: "milepost:5003") == nil)
        #expect(Self.refusal(Self.onLoopback, .get, host: nil) == nil)
        for path in ["/threads", "/threads?limit=1", "/threads/a%2Fb"] {
            #expect(Self.refusal(Self.onLoopback, .get, path, host: "milepost:5003") == .name)
        }
    }

    private static let tuple = #"{"thread_id":"t"}"#

    @Test(
        "Both ways of a request refuse, and go on for the server's own page", arguments: ["content-length", "chunked"])
    func ways(_ kind: String) async throws {
        try await TestServer.run { server in
            func answer(_ fields: String) async throws -> String {
                var client = try await RawClient(server)
                let body =
                    kind == "chunked"
                    ? "transfer-encoding: chunked\r\n\r\n11\r\n\(Self.tuple)\r\n0\r\n\r\n"
                    : "content-length: \(Self.tuple.utf8.count)\r\n\r\n\(Self.tuple)"
                try await client.send(
                    "POST /checkpoints/get-tuple HTTP/1.1\r\ncontent-type: application/json\r\n\(fields)\(body)")
                return await client.answer()
            }
            #expect(try await answer("host: x\r\n").hasPrefix("HTTP/1.1 200 "))
            #expect(try await answer("host: [::1]\r\norigin: http://[::1]\r\n").hasPrefix("HTTP/1.1 200 "))
            let foreign = try await answer("host: 127.0.0.1\r\norigin: https://evil.example\r\n")
            #expect(foreign.hasPrefix("HTTP/1.1 403 "))
            #expect(foreign.contains("Pages of other sites"))
            let rebound = try await answer("host: evil.example\r\norigin: http://evil.example\r\n")
            #expect(rebound.hasPrefix("HTTP/1.1 403 "))
            #expect(rebound.contains("localhost"))
        }
    }
}
