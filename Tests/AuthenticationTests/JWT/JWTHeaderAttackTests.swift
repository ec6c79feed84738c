import Authentication
import JSON
import JWTKit
import Testing

@Suite(.timeLimit(.minutes(5)))
struct JWTHeaderAttackTests {
    private static let algorithmRefusal = "the token's algorithm is not one that is accepted"
    private static let formRefusal = "a part of the token is not base64url"

    @Test(
        "An algorithm that is not on the list is refused however it is spelled",
        arguments: [
            #""none""#, #""None""#, #""NONE""#, #""nOnE""#, #""none ""#, #""none\u0000""#, #""""#, "null", "true", "0",
            "[]", #"["RS256"]"#, #"{"alg":"RS256"}"#, #""HS256""#, #""HS384""#, #""HS512""#, #""rs256""#, #""RS256 ""#,
            #""RS256\u0000""#, #""RSA-OAEP""#, #""ES256K""#, #""RS1""#, #""ML-DSA-65""#,
        ]
    )
    func algorithm(_ name: String) async throws {
        let key = try await IssuerKey.make(.rs256)
        let gate = try await TokenGate([key.jwk])
        let header = #"{"alg":\#(name),"typ":"JWT","kid":"key"}"#
        let signed = try TokenText.signed(key, header: header)
        #expect(try await gate.refusal(signed) == Self.algorithmRefusal)
        let unsigned = TokenText.encoded(header) + "." + TokenText.encoded(TokenText.claims()) + "."
        #expect(try await gate.refusal(unsigned) == Self.algorithmRefusal)
    }

    @Test("A token without an algorithm is refused")
    func noAlgorithm() async throws {
        let key = try await IssuerKey.make(.rs256)
        let gate = try await TokenGate([key.jwk])
        #expect(try await gate.refusal(try TokenText.signed(key, header: #"{"kid":"key"}"#)) == Self.algorithmRefusal)
    }

    @Test("A MAC with what is public about an RSA key as its secret is refused")
    func algorithmConfusion() async throws {
        let key = try await IssuerKey.make(.rs256)
        let gate = try await TokenGate([key.jwk])
        let pair = try JWTKit.Insecure.RSA.PrivateKey(
            modulus: RSANumbers.first.modulus, exponent: RSANumbers.exponent,
            privateExponent: RSANumbers.first.privateExponent
        )
        let pem = pair.publicKey.pemRepresentation
        let secrets: [[UInt8]] = [
            Array(pem.utf8), Array((pem + "\n").utf8), Array(pair.publicKey.derRepresentation),
            Array(RSANumbers.first.modulus.utf8), key.jwk.text.bytes, [],
        ]
        for secret in secrets {
            let honest = TokenText.authenticated(secret, header: #"{"alg":"HS256","typ":"JWT","kid":"key"}"#)
            #expect(try await gate.refusal(honest) == Self.algorithmRefusal)
            let lying = TokenText.authenticated(secret, header: TokenText.header(key))
            #expect(try await gate.refusal(lying) == "the token's signature is not that of its key")
        }
    }

    @Test("A shared secret in the set verifies nothing")
    func sharedSecret() async throws {
        let key = try await IssuerKey.make(.es256)
        let secret: JSONValue = ["kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"]
        let gate = try await TokenGate([secret, key.jwk])
        let token = TokenText.authenticated(Array("secret".utf8), header: #"{"alg":"HS256","kid":"shared"}"#)
        #expect(try await gate.refusal(token) == Self.algorithmRefusal)
        let other = TokenText.authenticated(Array("secret".utf8), header: #"{"alg":"ES256","kid":"shared"}"#)
        #expect(try await gate.refusal(other) == "the token's key is not one of the issuer's")
        #expect(gate.log.lines.contains { $0.contains("it is a shared secret") })
    }

    @Test("A key is used for its own type, curve and algorithm alone")
    func keyConfusion() async throws {
        let all = SignatureAlgorithm.allCases
        var keys: [IssuerKey] = []
        for algorithm in all { keys.append(try await IssuerKey.make(algorithm, id: algorithm.rawValue)) }
        let gate = try await TokenGate(keys.map(\.jwk))
        for key in keys {
            for algorithm in all where algorithm != key.algorithm {
                let header = #"{"alg":"\#(algorithm.rawValue)","kid":"\#(key.algorithm.rawValue)"}"#
                let refusal = try await gate.refusal(try TokenText.signed(key, header: header))
                #expect(refusal == "the token's key is not for its algorithm", "\(key.algorithm) as \(algorithm)")
            }
        }
    }

    @Test(
        "A key id is compared and nothing else: no path, no URL, no query",
        arguments: [
            "../../dev/null", "../../../../../../dev/null", "/dev/null", "/etc/passwd", "file:///dev/null",
            "http://127.0.0.1:1/jwks.json", "' OR '1'='1", "key' UNION SELECT 'c2VjcmV0' --", "key|id", "$(id)", "key ",
            #"key\u0000"#, #"\u0000"#, #"key\n"#, "KEY", "ke\u{301}y", #"\ud800"#, "*", "%6bey",
        ]
    )
    func keyID(_ id: String) async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        let header = #"{"alg":"ES256","kid":"\#(id)"}"#
        let refusal = "the token's key is not one of the issuer's"
        #expect(try await gate.refusal(try TokenText.signed(key, header: header)) == refusal)
        #expect(try await gate.refusal(TokenText.authenticated([], header: header)) == refusal)
    }

    @Test("A key id that is no string, empty or long is refused before any key is looked at")
    func badKeyID() async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        let long = String(repeating: "k", count: 10_240)
        for id in ["null", "1", "[]", #"["key"]"#, "{}", "\"\"", "\"\(long)\""] {
            let token = try TokenText.signed(key, header: #"{"alg":"ES256","kid":\#(id)}"#)
            #expect(try await gate.refusal(token) == "the token's key id is not a string, empty, or too long")
        }
    }

    @Test("Without a key id there must be exactly one key for the algorithm")
    func noKeyID() async throws {
        let first = try await IssuerKey.make(.es256)
        let second = try await IssuerKey.make(.es256, id: "second")
        let token = try TokenText.signed(first, header: #"{"alg":"ES256"}"#)
        #expect(try await TokenGate([first.jwk]).refusal(token) == nil)
        #expect(try await TokenGate([first.jwk("kid", nil)]).refusal(token) == nil)
        let several = try await TokenGate([first.jwk, second.jwk])
        #expect(try await several.refusal(token) == "the token names no key, and not exactly one would do")
        let none = try await TokenGate([try await IssuerKey.make(.eddsa).jwk])
        #expect(try await none.refusal(token) == "the token names no key, and not exactly one would do")
        // A key of the set that has no id is nobody's by name.
        let unnamed = try await TokenGate([first.jwk("kid", nil)])
        #expect(
            try await unnamed.refusal(try TokenText.signed(first)) == "the token's key is not one of the issuer's")
    }

    @Test("A key that the token brings along is not used")
    func embeddedKey() async throws {
        let issuer = try await IssuerKey.make(.es256)
        let attacker = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([issuer.jwk])
        let jwk = String(decoding: attacker.jwk.text.bytes, as: UTF8.self)
        let x5c = TokenText.base64URL(Array(repeating: 7, count: 300))
        for more in [#","jwk":\#(jwk)"#, #","x5c":["\#(x5c)"]"#, #","x5t":"\#(x5c)""#] {
            let token = try TokenText.signed(attacker, header: TokenText.header(attacker, more))
            #expect(try await gate.refusal(token) == "the token's signature is not that of its key")
            let other = try TokenText.signed(attacker, header: #"{"alg":"ES256","kid":"mine"\#(more)}"#)
            #expect(try await gate.refusal(other) == "the token's key is not one of the issuer's")
        }
    }

    @Test(
        "An extension that would have to be understood is refused",
        arguments: [
            #","crit":["exp"]"#, #","crit":[]"#, #","crit":null"#, #","b64":false,"crit":["b64"]"#, #","b64":true"#,
        ]
    )
    func extensions(_ more: String) async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        let token = try TokenText.signed(key, header: TokenText.header(key, more))
        #expect(try await gate.refusal(token) == "the token's header asks for an extension")
    }

    @Test("A type is JWT or at+jwt, in any case, or left out")
    func type() async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        for type in ["JWT", "jwt", "at+jwt", "AT+JWT"] {
            let header = #"{"alg":"ES256","kid":"key","typ":"\#(type)"}"#
            #expect(try await gate.refusal(try TokenText.signed(key, header: header)) == nil)
        }
        #expect(try await gate.refusal(try TokenText.signed(key, header: #"{"alg":"ES256","kid":"key"}"#)) == nil)
        for type in [#""logout+jwt""#, #""dpop+jwt""#, #""JWE""#, #""""#, "null", "1"] {
            let header = #"{"alg":"ES256","kid":"key","typ":\#(type)}"#
            #expect(try await gate.refusal(try TokenText.signed(key, header: header)) == "the token is of another type")
        }
    }

    @Test(
        "A header that two readers could read differently is refused",
        arguments: [
            #"{"alg":"none","alg":"ES256","kid":"key"}"#, #"{"alg":"ES256","kid":"x","kid":"key"}"#,
            #"{"alg":"ES256","\u0061lg":"ES256","kid":"key"}"#, #"{"alg":"ES256","kid":"key","x":{"y":1,"y":2}}"#,
            #"{"alg":"ES256","kid":"key"} x"#, #"[{"alg":"ES256","kid":"key"}]"#, #""ES256""#, "", "{",
            #"{"alg":"ES256","kid":"key",}"#, #"{"alg":"ES256","kid":"key","x":NaN}"#,
            #"{"alg":"ES256","kid":"key","x":1e400}"#,
        ]
    )
    func ambiguous(_ header: String) async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        let refusal = try await gate.refusal(try TokenText.signed(key, header: header))
        #expect(refusal == "the token's header is not a JSON object with unique names")
    }
}
