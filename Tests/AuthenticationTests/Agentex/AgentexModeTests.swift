import Authentication
import Checkpoints
import HTTPTypes
import JSON
import Testing

@Suite("Who a caller is to an Agentex provider", .timeLimit(.minutes(5)))
struct AgentexModeTests {
    @Test("The provider is sent every header once, in lower case, without those of the connection")
    func forwarding() async throws {
        try await AgentexProvider.withStub { _ in
            .init()
        } _: { provider, stub in
            let sent = Credentials([
                ("Authorization", "Bearer one"), ("X-Foo", "first"), ("Content-Type", "application/json"),
                ("User-Agent", "agent/1"), ("Accept-Encoding", "gzip"), ("X-Request-Id", "17"), ("X-Empty", ""),
                ("Cookie", "a=1"), ("Cookie", "b=2"), ("x-foo", "last"), ("X-Words", "é \"\\ ✓"),
                ("Content-Length", "12"), ("Host", "client.example"), ("Connection", "keep-alive, x-foo"),
                ("Transfer-Encoding", "chunked"), ("Expect", "100-continue"), ("Keep-Alive", "timeout=5"),
                ("Proxy-Connection", "keep-alive"), ("TE", "trailers"), ("Upgrade", "h2c"),
            ])
            _ = try await AgentexMode(provider: provider).principal(for: sent).get()
            let call = try #require(stub.calls.first)
            #expect(call.method == "POST" && call.path == "/v1/authn" && call.body.isEmpty)
            let headers = call.headers.filter { !["host", "content-length"].contains($0.name.lowercased()) }
            #expect(
                headers.map { "\($0.name): \($0.value)" }.sorted() == [
                    "accept-encoding: gzip", "authorization: Bearer one", "content-type: application/json",
                    "cookie: a=1; b=2", "user-agent: agent/1", "x-empty: ", "x-foo: last", "x-request-id: 17",
                    "x-words: é \"\\ ✓",
                ]
            )
            #expect(stub.calls.count == 1)
        }
    }

    @Test("A request without headers is the provider's to decide, too")
    func nothing() async throws {
        try await AgentexProvider.withStub { _ in
            .init(200, #"{"user_id":"guest"}"#)
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            let credentials = Credentials([])
            #expect(mode.name == "agentex" && mode.recognises(credentials))
            #expect(mode.principalAtOnce(for: credentials) == nil)
            let principal = try await mode.principal(for: credentials).get()
            #expect(principal.providerPrincipal?.bytes == Array(#"{"user_id":"guest"}"#.utf8))
            #expect(stub.calls.count == 1)
        }
    }

    @Test(
        "A principal is kept byte for byte, and its name tells nothing of it",
        arguments: [
            #"{"user_id":"u1","account_id":"a1"}"#, " {\n\t\"a\" : 1.0, \"a\": 1e300, \"b\":\"\\ud800 \\u0000\"}\r\n",
            ##"{"__proto__":{"x":"</script>"},"$ref":"#/","operation":"delete","resource":null}"##, "[]", #""text""#,
            "12345678901234567890.000", "true", "null", #"{"é":"e\u0301","😀":"\\\""}"#,
        ])
    func verbatim(_ text: String) async throws {
        try await AgentexProvider.withStub { _ in
            .init(200, text)
        } _: { provider, _ in
            let principal = try await AgentexMode(provider: provider).principal(for: Credentials([])).get()
            #expect(principal.providerPrincipal?.bytes == Array(text.utf8))
            #expect(principal.tenant == .default && principal.threadPrefix.isEmpty)
            #expect(principal.scopes == [.read, .write, .delete, .inspect])
            let digits = try #require(principal.name.split(separator: ":", maxSplits: 1).last)
            #expect(principal.name.hasPrefix("agentex:") && digits.count == 12)
            #expect(digits.allSatisfy { $0.isHexDigit })
        }
    }

    @Test("A compressed answer is understood: the caller's accept-encoding was forwarded")
    func compressed() async throws {
        // {"user_id":"u1"} as gzip makes it.
        let gzip: [UInt8] = [
            0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xAB, 0x56, 0x2A, 0x2D, 0x4E, 0x2D, 0x8A, 0xCF,
            0x4C, 0x51, 0xB2, 0x52, 0x2A, 0x35, 0x54, 0xAA, 0x05, 0x00, 0x7F, 0xC1, 0xFA, 0x6C, 0x10, 0x00, 0x00, 0x00,
        ]
        try await AgentexProvider.withStub { call in
            var answer = StubProvider.Answer()
            if call["accept-encoding"] == "gzip" {
                answer.body = gzip
                answer.headers[.contentEncoding] = "gzip"
            }
            return answer
        } _: { provider, _ in
            let credentials = Credentials([("accept-encoding", "gzip")])
            let principal = try await AgentexMode(provider: provider).principal(for: credentials).get()
            #expect(principal.providerPrincipal?.bytes == Array(#"{"user_id":"u1"}"#.utf8))
        }
    }

    @Test("The URL may have a path, and slashes at its end", arguments: ["", "/", "///", "/base", "/base/"])
    func paths(_ suffix: String) async throws {
        try await StubProvider.with { _ in
            .init()
        } _: { stub in
            try await AgentexProvider.with(stub.url + suffix) { provider in
                _ = try await AgentexMode(provider: provider).principal(for: Credentials([])).get()
                let base = suffix.hasPrefix("/base") ? "/base" : ""
                #expect(stub.calls.map(\.path) == [base + "/v1/authn"])
            }
        }
    }

    @Test(
        "What is no URL of a provider is refused at the start, with a sentence that does not repeat it",
        arguments: [
            ("", "http or https"), ("auth.secret", "http or https"), ("ftp://auth.secret", "http or https"),
            ("http+unix://secret", "http or https"), ("https://user:secret@auth", "user name"),
            ("https://auth?key=secret", "query"), ("https://auth#secret", "query"), ("https://", "with a host"),
            ("https:///secret", "with a host"), ("http://auth secret", "with a host"),
            ("http://auth\r\nx: secret", "with a host"), ("http://auth:port-secret", "with a host"),
        ])
    func badURLs(_ url: String, _ words: String) throws {
        let error = #expect(throws: AgentexURLError.self) { try AgentexProvider(url: url) }
        let sentence = try #require(error?.description)
        #expect(sentence.contains(words) && !sentence.contains("secret"))
    }

    @Test("A header with a control character is refused without asking")
    func controlCharacters() async throws {
        try await AgentexProvider.withStub { _ in
            .init()
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            let name = try #require(HTTPField.Name("x-foo"))
            for byte in [0x01, 0x1B, 0x7F] as [UInt8] {
                let fields = HTTPFields([HTTPField(name: name, lenientValue: [0x61, byte, 0x61])])
                let credentials = Credentials(headers: fields, source: "127.0.0.1")
                let failure = AuthenticationFailure("a header has a control character")
                #expect(mode.principalAtOnce(for: credentials) == .failure(failure))
                #expect(await mode.principal(for: credentials) == .failure(failure))
            }
            #expect(stub.calls.isEmpty)
        }
    }
}
