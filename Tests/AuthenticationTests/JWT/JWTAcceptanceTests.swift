import Authentication
import Checkpoints
import HTTPTypes
import JSON
import Testing

@Suite(.timeLimit(.minutes(5)))
struct JWTAcceptanceTests {
    @Test("A token of every algorithm is accepted when its key is in the set", arguments: SignatureAlgorithm.allCases)
    func algorithm(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let gate = try await TokenGate([key.jwk])
        let principal = try await gate.answer(try TokenText.signed(key)).get()
        #expect(
            principal
                == Principal(name: "jwt:agent-7", tenant: Tenant(name: "acme"), scopes: [.read, .write])
        )
    }

    @Test(
        "A token is verified without waiting, unless that takes long; then it is known",
        arguments: SignatureAlgorithm.allCases)
    func haste(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let mode = try await TokenGate([key.jwk]).mode
        let shown = Credentials(jwt: try TokenText.signed(key))
        let isQuick = mode.principalAtOnce(for: shown) != nil
        #expect(isQuick == ![.es384, .es512].contains(algorithm))
        let principal = await mode.principal(for: shown)
        #expect(try principal.get().name == "jwt:agent-7")
        #expect(mode.principalAtOnce(for: shown) == principal)
    }

    @Test("RS256, ES256 and EdDSA are accepted unless told otherwise, and nothing else")
    func defaults() async throws {
        let keys = try await SignatureAlgorithm.allCases.asyncMap { try await IssuerKey.make($0, id: $0.rawValue) }
        let gate = try await TokenGate(keys.map(\.jwk), algorithms: JWTSettings.defaultAlgorithms)
        for key in keys {
            let refusal = try await gate.refusal(try TokenText.signed(key))
            let isDefault = ["RS256", "ES256", "EdDSA"].contains(key.algorithm.rawValue)
            #expect(refusal == (isDefault ? nil : "the token's algorithm is not one that is accepted"))
        }
    }

    @Test(
        "A key that does not say its algorithm serves all that are accepted of its type",
        arguments: [SignatureAlgorithm.rs256, .ps512, .es384, .eddsa]
    )
    func keyWithoutAlgorithm(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let gate = try await TokenGate([key.jwk("alg", nil)])
        #expect(try await gate.refusal(try TokenText.signed(key)) == nil)
    }

    @Test("The scheme may be written in any case, and nothing else is a token")
    func scheme() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let mode = try await TokenGate([key.jwk]).mode
        let token = try TokenText.signed(key)
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "] {
            let shown = Credentials(headers: [.authorization: "\(scheme) \(token)"], source: "192.0.2.1")
            #expect(mode.recognises(shown))
            #expect(try mode.principalAtOnce(for: shown)?.get().name == "jwt:agent-7")
        }
        for header in ["Basic \(token)", token, "Bearer\(token)", "Bearer mlp_\(token)", "Bearertoken \(token)", ""] {
            #expect(!mode.recognises(Credentials(headers: [.authorization: header], source: "192.0.2.1")), "\(header)")
        }
        #expect(!mode.recognises(Credentials(headers: [:], source: "192.0.2.1")))
    }

    @Test("A bearer without a token is a bad credential, not a missing one", arguments: ["Bearer", "Bearer "])
    func nothing(_ header: String) async throws {
        let mode = try await TokenGate([try await IssuerKey.make(.eddsa).jwk]).mode
        let shown = Credentials(headers: [.authorization: header], source: "192.0.2.1")
        #expect(mode.recognises(shown))
        #expect(
            mode.principalAtOnce(for: shown) == .failure(AuthenticationFailure("the token does not have three parts")))
    }

    @Test("Two authorization headers are refused, also when they are the same")
    func twoHeaders() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let mode = try await TokenGate([key.jwk]).mode
        let token = try TokenText.signed(key)
        for other in ["Bearer \(token)", "Bearer mlp_abc", "Basic abc"] {
            var headers: HTTPFields = [.authorization: "Bearer \(token)"]
            headers.append(HTTPField(name: .authorization, value: other))
            let shown = Credentials(headers: headers, source: "192.0.2.1")
            let failure = AuthenticationFailure("there is not exactly one authorization header")
            #expect(mode.recognises(shown))
            #expect(mode.principalAtOnce(for: shown) == .failure(failure))
            #expect(await mode.principal(for: shown) == .failure(failure))
        }
    }

    @Test(
        "Scopes are the words that are ours, of a string or a list, with or without our prefix",
        arguments: [
            (#""read write delete admin inspect""#, Set(Scope.allCases)),
            (#""openid  milepost:read profile other:write ""#, [.read]),
            (#"["milepost:delete","inspect","x"]"#, [.delete, .inspect]),
            (#"["read write"]"#, []), (#""READ""#, []), (#""milepost:milepost:read""#, []), (#""read,write""#, []),
            (#""""#, []), ("[]", []), (nil, []),
        ] as [(String?, Set<Scope>)]
    )
    func scopes(_ claim: String?, _ expected: Set<Scope>) async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk])
        let token = try TokenText.signed(key, claims: TokenText.claims(["scope": claim]))
        #expect(try await gate.answer(token).get().scopes == expected)
    }

    @Test("Claims may be named by a path, and a claim of exactly that name comes first")
    func paths() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk], tenantClaim: "realm.tenant", scopesClaim: "https://m.example/scopes")
        let claims: KeyValuePairs<String, String?> = [
            "realm": #"{"tenant":"inner"}"#, "https://m.example/scopes": #"["admin"]"#, "tenant": nil,
        ]
        let nested = try await gate.answer(try TokenText.signed(key, claims: TokenText.claims(claims))).get()
        #expect(nested.tenant == Tenant(name: "inner"))
        #expect(nested.scopes == [.admin])
        let exact = TokenText.claims(["realm": #"{"tenant":"inner"}"#, "realm.tenant": #""outer""#])
        #expect(try await gate.answer(try TokenText.signed(key, claims: exact)).get().tenant == Tenant(name: "outer"))
        let absent = TokenText.claims(["realm": #"{"x":"inner"}"#])
        #expect(try await gate.refusal(try TokenText.signed(key, claims: absent)) == "the token has no usable tenant")
    }

    @Test("Without a tenant claim every token is of the default tenant, whatever it says")
    func defaultTenant() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk], tenantClaim: "")
        #expect(try await gate.answer(try TokenText.signed(key)).get().tenant == .default)
    }

    @Test("A verified token is known until it expires, and not a second longer than a minute")
    func remembered() async throws {
        let clock = TokenClock()
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk], now: { clock.seconds })
        let short = try TokenText.signed(key, claims: TokenText.claims(["exp": "\(TokenText.now + 30)"]))
        #expect(try await gate.refusal(short) == nil)
        clock.seconds += 89.9
        #expect(try await gate.refusal(short) == nil)
        clock.seconds += 0.2
        #expect(try await gate.refusal(short) == "the token has expired")
        clock.seconds -= 1_000_000
        let late = try TokenText.signed(key, claims: TokenText.claims(["iat": "\(TokenText.now)"]))
        #expect(try await gate.refusal(late) == "the token was issued in the future")
    }
}

extension Sequence where Element: Sendable {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}
