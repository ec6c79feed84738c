import Authentication
import Checkpoints
import JSON
import Synchronization
import Testing

@Suite("What is remembered of an Agentex provider's callers", .timeLimit(.minutes(5)))
struct PrincipalCacheTests {
    private typealias Answer = StubProvider.Answer

    /// Names the number of the call, so that what is remembered shows.
    private static func numbered() -> @Sendable (StubProvider.Call) -> StubProvider.Answer {
        let count = Counter()
        return { _ in .init(200, "{\"call\":\(count.next())}") }
    }

    /// The JSON of a principal; nil for a failure.
    private static func text(_ outcome: Result<Principal, AuthenticationFailure>?) -> String? {
        guard case .success(let principal)? = outcome else { return nil }
        return principal.providerPrincipal.map { String(decoding: $0.bytes, as: UTF8.self) }
    }

    @Test(
        "Two requests that differ in one header never share a principal, whichever header it is",
        arguments: [
            "authorization", "cookie", "x-forwarded-client-cert", "x-account-id", "x-foo", "user-agent", "accept",
            "content-type", "date", "x-forwarded-for", "baggage", "x-correlation-id", "x-agent-identity",
            "proxy-authorization", "x-amz-date", "origin", "referer", "accept-language", "forwarded", "via",
        ])
    func separation(_ name: String) async throws {
        try await AgentexProvider.withStub { call in
            .init(200, "{\"user_id\":\"\(call[name] ?? "nobody")\"}")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            for _ in 1...2 {
                for value in ["alice", "bob", "Bob", "bob2"] {
                    let credentials = Credentials([("x-same", "1"), (name, value)])
                    #expect(Self.text(await mode.principal(for: credentials)) == "{\"user_id\":\"\(value)\"}")
                }
                let without = Credentials([("x-same", "1")])
                #expect(Self.text(await mode.principal(for: without)) == "{\"user_id\":\"nobody\"}")
            }
            #expect(stub.calls.count == 5)
        }
    }

    @Test("Where a name ends and a value begins counts, and which header has which value")
    func boundaries() async throws {
        try await AgentexProvider.withStub(answer: Self.numbered()) { provider, stub in
            let mode = AgentexMode(provider: provider)
            let alike: [[(String, String)]] = [
                [("x-a", "bc")], [("x-ab", "c")], [("x-a", "b"), ("x-c", "d")], [("x-a", "d"), ("x-c", "b")],
                [("x-a", "bx-c"), ("x-d", "")], [("x-a", ""), ("x-c", "b")], [("x-a", "b, d")], [("x-a", "é")],
                [("x-a", "e\u{301}")], [("x-a", "B, d")],
            ]
            for headers in alike { _ = try await mode.principal(for: Credentials(headers)).get() }
            #expect(stub.calls.count == alike.count)
        }
    }

    @Test("Order, case and duplicates that do not win make no other caller; nor does what is withheld or only numbers")
    func sameness() async throws {
        try await AgentexProvider.withStub(answer: Self.numbered()) { provider, stub in
            let mode = AgentexMode(provider: provider)
            let first = Credentials([("authorization", "Bearer a"), ("x-foo", "1")])
            #expect(Self.text(await mode.principal(for: first)) == "{\"call\":1}")
            for headers in [
                [("X-Foo", "1"), ("Authorization", "Bearer a")],
                [("authorization", "Bearer b"), ("authorization", "Bearer a"), ("x-foo", "1")],
                [("authorization", "Bearer a"), ("x-foo", "1"), ("content-length", "7"), ("host", "elsewhere")],
                [("authorization", "Bearer a"), ("x-foo", "1"), ("x-request-id", "2"), ("traceparent", "3")],
                [("authorization", "Bearer a"), ("x-foo", "1"), ("tracestate", "4"), ("x-amzn-trace-id", "5")],
            ] {
                #expect(Self.text(mode.principalAtOnce(for: Credentials(headers))) == "{\"call\":1}")
            }
            #expect(stub.calls.count == 1)
        }
    }

    @Test("A principal is believed for sixty seconds from when it was asked for, and asked for again then")
    func lifetime() async throws {
        let clock = SetClock()
        let count = Counter()
        try await AgentexProvider.withStub { _ in
            // The answer takes ten seconds.
            clock.advance(by: .seconds(10))
            return .init(200, "{\"call\":\(count.next())}")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider, now: clock.now)
            let credentials = Credentials([("authorization", "Bearer a")])
            #expect(mode.principalAtOnce(for: credentials) == nil)
            #expect(Self.text(await mode.principal(for: credentials)) == "{\"call\":1}")
            clock.advance(by: .seconds(49))
            #expect(Self.text(mode.principalAtOnce(for: credentials)) == "{\"call\":1}")
            #expect(Self.text(await mode.principal(for: credentials)) == "{\"call\":1}")
            #expect(stub.calls.count == 1)
            clock.advance(by: .seconds(1))
            #expect(mode.principalAtOnce(for: credentials) == nil)
            #expect(Self.text(await mode.principal(for: credentials)) == "{\"call\":2}")
            #expect(stub.calls.count == 2)
        }
    }

    @Test(
        "A principal with an api_key is used once, and so is null",
        arguments: [
            #"{"api_key":"sk-1"}"#, #"{"user":1,"api_key":{"k":1}}"#, #"{"api_key":1}"#, #"{"api_key":true}"#,
            #"{"api_key":[null]}"#, #"{"api_key":0.1}"#, #"{"api_key":"x","api_key":""}"#, #"{"\u0061pi_key":"x"}"#,
            "null", " null ",
        ])
    func secrets(_ text: String) async throws {
        try await AgentexProvider.withStub { _ in
            .init(200, text)
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            for count in 1...2 {
                #expect(Self.text(await mode.principal(for: Credentials([]))) == text)
                #expect(mode.principalAtOnce(for: Credentials([])) == nil)
                #expect(stub.calls.count == count)
            }
        }
    }

    @Test(
        "An api_key that is empty, or elsewhere than at the top, is no secret",
        arguments: [
            #"{"api_key":""}"#, #"{"api_key":null}"#, #"{"api_key":false}"#, #"{"api_key":0}"#, #"{"api_key":-0.0}"#,
            #"{"api_key":[]}"#, #"{"api_key":{}}"#, #"[{"api_key":"x"}]"#, #""api_key""#, #"{"API_KEY":"x"}"#, "false",
        ])
    func noSecrets(_ text: String) async throws {
        try await AgentexProvider.withStub { _ in
            .init(200, text)
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            _ = try await mode.principal(for: Credentials([])).get()
            #expect(Self.text(mode.principalAtOnce(for: Credentials([]))) == text)
            #expect(stub.calls.count == 1)
        }
    }

    @Test("So many callers are remembered and no more: the oldest goes")
    func count() async throws {
        var limits = AgentexLimits()
        limits.cachedPrincipals = 3
        try await AgentexProvider.withStub(limits: limits, answer: Self.numbered()) { provider, _ in
            let mode = AgentexMode(provider: provider)
            for number in 0..<10 { _ = try await mode.principal(for: Credentials([("x-foo", "\(number)")])).get() }
            let known = (0..<10).filter { mode.principalAtOnce(for: Credentials([("x-foo", "\($0)")])) != nil }
            #expect(known == [7, 8, 9])
        }
        #expect(AgentexLimits().cachedPrincipals == 10_000)
    }

    @Test("The remembered JSON has so many bytes and no more")
    func bytes() async throws {
        var limits = AgentexLimits()
        limits.cachedBytes = 100
        try await AgentexProvider.withStub(limits: limits) { call in
            .init(200, "\"" + String(repeating: "x", count: (call["x-size"].flatMap { Int($0) } ?? 2) - 2) + "\"")
        } _: { provider, _ in
            let mode = AgentexMode(provider: provider)
            let sizes = [40, 30, 20, 35, 101, 100, 25]
            var known: [[Int]] = []
            for size in sizes {
                _ = try await mode.principal(for: Credentials([("x-size", "\(size)")])).get()
                known.append(sizes.filter { mode.principalAtOnce(for: Credentials([("x-size", "\($0)")])) != nil })
            }
            #expect(known == [[40], [40, 30], [40, 30, 20], [30, 20, 35], [30, 20, 35], [100], [25]])
        }
    }
}

/// Counts calls from one.
private final class Counter: Sendable {
    private let count = Atomic(0)

    func next() -> Int {
        count.wrappingAdd(1, ordering: .relaxed).newValue
    }
}
