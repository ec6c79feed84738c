import Authentication
import Testing

@Suite(.timeLimit(.minutes(5)))
struct JWTClaimTests {
    private static let now = TokenText.now

    /// Every claim is refused for its own reason; the signature is good in all of them.
    private static let refusals: [(String, String?, String)] =
        cases(
            "iss", "the token is of another issuer",
            [
                nil, "null", "1", #""""#, #""https://issuer.example""#, #""https://issuer.example/ ""#,
                #""https://ISSUER.example/""#, #""https://issuer.example/x""#, #"["https://issuer.example/"]"#,
                #""https://issuer.example/\u0000""#,
            ])
        + cases(
            "aud", "the token is for another audience",
            [
                nil, "null", "1", "{}", #""""#, #""Milepost""#, #""milepost ""#, #""milepost2""#, "[]", #"["other"]"#,
                #"["milepost",1]"#, #"[["milepost"]]"#, #"{"milepost":true}"#, #""milepost other""#,
            ])
        + cases("exp", "the token never expires", [nil])
        + cases("exp", "the token has expired", ["0", "1", "\(now - 60)", "\(now - 60).0", "1.8e8"])
        + dates.map { ("exp", $0, dateRefusal) }
        + dates.map { ("nbf", $0, dateRefusal) }
        + dates.map { ("iat", $0, dateRefusal) }
        + cases("nbf", "the token is not valid yet", ["\(now + 61)", "\(now + 60).5", "253402300799"])
        + cases("iat", "the token was issued in the future", ["\(now + 61)", "253402300799"])
        + names.map { ("sub", $0, "the token has no usable subject") }
        + names.map { ("tenant", $0, "the token has no usable tenant") }
        + cases(
            "scope", "the token's scopes are neither words nor a list of words",
            [
                "null", "1", "true", "{}", #"{"read":true}"#, #"["read",1]"#, #"[["read"]]"#,
            ])

    private static let dateRefusal = "a date of the token is not a number of seconds"

    /// What is no date.
    private static let dates = [
        "null", "true", #""\#(now + 600)""#, #""""#, "[]", "[\(now + 600)]", "{}", "-1", "-1e300", "1e300",
        "253402300800",
        "\(now + 600)000", "18446744073709551616", "9223372036854775808",
    ]

    /// What is no name.
    private static let names: [String?] = [
        nil, "null", "true", "7", "[]", #"["acme"]"#, #"{"name":"acme"}"#, #""""#, #""a\u0000b""#, #""a\nb""#,
        #""a\u001b[2J""#,
        #""a\u007f""#, #""a\u0085""#, #""a\u2028b""#, #""a\u202eb""#, #""a\u200bb""#, #""\ud800""#,
        "\"\(String(repeating: "n", count: 257))\"", "\"\(String(repeating: "é", count: 129))\"",
    ]

    private static func cases(_ name: String, _ reason: String, _ values: [String?]) -> [(String, String?, String)] {
        values.map { (name, $0, reason) }
    }

    @Test("A signed token with a claim that is missing, wrong or absurd is refused")
    func refused() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk])
        #expect(Self.refusals.count > 100)
        for (name, value, reason) in Self.refusals {
            let token = try TokenText.signed(key, claims: TokenText.claims([name: value]))
            #expect(try await gate.refusal(token) == reason, "\(name): \(value ?? "none")")
        }
    }

    @Test(
        "A claim may be at the edge of what is allowed",
        arguments: [
            ("aud", #"["other","milepost"]"#), ("exp", "\(now - 59)"), ("exp", "\(now + 1).5"), ("exp", "1.8000006e9"),
            ("exp", "253402300799"), ("nbf", "\(now + 60)"), ("nbf", "0"), ("iat", "\(now + 60)"), ("iat", "\(now)"),
            ("sub", "\"\(String(repeating: "n", count: 256))\""), ("sub", #""zoë|auth0 x""#),
            ("sub", #""spiffe://example/agent""#), ("tenant", #""zürich""#), ("x", "[[[[[[[[[[[[1]]]]]]]]]]]]"),
        ]
    )
    func accepted(_ name: String, _ value: String) async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk])
        #expect(try await gate.refusal(try TokenText.signed(key, claims: TokenText.claims([name: value]))) == nil)
    }

    /// Claims with what stands before their end, and what is no JSON object to everybody.
    private static let ambiguousClaims: [String] =
        [#","tenant":"other""#, #","sub":"agent-7""#, #","x":[{"a":1,"\u0061":2}]"#].map { more in
            String(TokenText.claims().dropLast()) + more + "}"
        }
        + ["NaN", String(repeating: "[", count: 20) + String(repeating: "]", count: 20)].map { value in
            TokenText.claims(["x": value])
        }
        + ["1e400", "Infinity", "0x7fffffff", "0\(now)", "+\(now + 600)"].map { TokenText.claims(["exp": $0]) }
        + ["", "null", "[\(TokenText.claims())]", TokenText.claims() + "{}", "\u{FEFF}" + TokenText.claims()]

    @Test(
        "Claims that two readers could read differently are refused",
        arguments: ambiguousClaims
    )
    func ambiguous(_ claims: String) async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk])
        let refusal = "the token's claims are not a JSON object with unique names"
        #expect(try await gate.refusal(try TokenText.signed(key, claims: claims)) == refusal)
    }

    @Test("No reason for a refusal has anything in it that the client sent")
    func secrecy() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk])
        let planted = "PLANTED"
        for name in ["iss", "aud", "exp", "nbf", "iat", "scope", "sub", "tenant"] {
            let value = name == "sub" || name == "tenant" ? "\"\(planted)\\u0000\"" : "[\"\(planted)\",1]"
            let token = try TokenText.signed(key, claims: TokenText.claims([name: value]))
            let reason = try #require(try await gate.refusal(token))
            #expect(!reason.contains(planted))
        }
        for header in [#"{"alg":"PLANTED"}"#, #"{"alg":"EdDSA","kid":"PLANTED"}"#, #"{"alg":"EdDSA","typ":"PLANTED"}"#]
        {
            let reason = try #require(try await gate.refusal(try TokenText.signed(key, header: header)))
            #expect(!reason.contains(planted))
        }
        #expect(!gate.log.lines.joined().contains(planted))
    }
}
