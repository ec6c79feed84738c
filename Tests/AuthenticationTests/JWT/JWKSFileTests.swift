import Authentication
import Checkpoints
import Crypto
import Foundation
import JSON
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5)))
struct JWKSFileTests {
    @Test("Without a usable file of keys there is no mode, and the operator reads why")
    func atStart() async throws {
        let directory = try TemporaryDirectory()
        let short: JSONValue = [
            "kty": "RSA", "n": .string(JSONString(RSANumbers.short)), "e": "AQAB",
        ]
        let many = JSONValue.array(Array(repeating: short, count: 101))
        let cases: [(String?, String)] = [
            (nil, "the file cannot be read: No such file or directory"),
            ("", "it is not a JSON object with a list of 'keys'"),
            ("[]", "it is not a JSON object with a list of 'keys'"),
            (#"{"keys":{}}"#, "it is not a JSON object with a list of 'keys'"),
            (#"{"keys":[],"keys":[]}"#, "it is not a JSON object with a list of 'keys'"),
            (String(decoding: (["keys": many] as JSONValue).text.bytes, as: UTF8.self), "it has more than 100 keys"),
            (#"{"keys":[]}"# + String(repeating: " ", count: 1 << 20), "it has more than 1048576 bytes"),
            (#"{"keys":[]}"#, "has no key for the algorithms of jwt-algorithms"),
            (
                String(decoding: (["keys": [short]] as JSONValue).text.bytes, as: UTF8.self),
                "has no key for the algorithms"
            ),
        ]
        for (text, reason) in cases {
            let path = directory.file("jwks.json")
            try text?.write(toFile: path, atomically: true, encoding: .utf8)
            let error = await Self.startError(path)
            #expect(error?.contains(reason) == true, "\(error ?? "none")")
        }
        #expect(await Self.startError(directory.path)?.contains("it is not a regular file") == true)
        #expect(await Self.startError("/dev/zero")?.contains("it is not a regular file") == true)
    }

    private static func startError(_ path: String) async -> String? {
        await #expect(throws: JWTSettingsError.self) {
            try await JWTMode(try JWTSettings(jwks: path, issuer: "i", audience: "a"), logger: TokenLog().logger)
        }?.description
    }

    @Test("A key that should verify nothing is left out, with a line in the log, and the others serve")
    func unusableKeys() async throws {
        let key = try await IssuerKey.make(.es256, id: "bad")
        let rsa = try await IssuerKey.make(.rs256, id: "bad")
        let good = try await IssuerKey.make(.eddsa, id: "good")
        let cases: [(JSONValue, String)] = [
            (key.jwk("use", "enc"), "its 'use' is not 'sig'"), (key.jwk("use", ["sig"]), "its 'use' is not 'sig'"),
            (key.jwk("key_ops", ["sign"]), "its 'key_ops' are without 'verify'"),
            (key.jwk("key_ops", "verify"), "its 'key_ops' are without 'verify'"),
            (key.jwk("alg", "ES384"), "it is for none of the accepted algorithms"),
            (key.jwk("alg", "RS256"), "it is for none of the accepted algorithms"),
            (key.jwk("alg", "none"), "it is for none of the accepted algorithms"),
            (key.jwk("crv", "secp256k1"), "it is for none of the accepted algorithms"),
            (key.jwk("kty", "OKP"), "it is for none of the accepted algorithms"),
            (key.jwk("kty", nil), "it has no 'kty'"), (key.jwk("kid", 7), "its 'kid' is not a string"),
            (key.jwk("d", "AQAB"), "its private part is published; the issuer has to replace it"),
            (key.jwk("x", nil), "its 'x' is not a number in base64url"),
            (key.jwk("x", "a+b/"), "its 'x' is not a number in base64url"),
            (key.jwk("x", "AQAB"), "its numbers are not those of a key"),
            (key.jwk("y", key.jwk["x"]), "its numbers are not those of a key"),
            (
                rsa.jwk("n", .string(JSONString(RSANumbers.short))),
                "it is an RSA key of 1024 bits; at least 2048 are needed"
            ),
            (rsa.jwk("e", "AQ"), "its numbers are not those of a key"),
            (rsa.jwk("e", "Ag"), "its numbers are not those of a key"),
            ("text", "it has no 'kty'"), (good.jwk, "another key before it has the same 'kid'"),
        ]
        for (bad, reason) in cases {
            let gate = try await TokenGate([good.jwk, bad])
            #expect(gate.log.lines.contains("warning a key of the JWKS is not used: \(reason)"), "\(gate.log.lines)")
            #expect(try await gate.refusal(try TokenText.signed(good)) == nil)
            for signer in [key, rsa] {
                let refusal = try await gate.refusal(try TokenText.signed(signer))
                #expect(refusal == "the token's key is not one of the issuer's")
            }
        }
    }

    @Test("A changed file counts within moments; its old keys and the tokens verified with them do not any more")
    func reload() async throws {
        let (old, new) = (try await IssuerKey.make(.es256, id: "old"), try await IssuerKey.make(.es256, id: "new"))
        let gate = try await TokenGate([old.jwk])
        let (oldToken, newToken) = (try TokenText.signed(old), try TokenText.signed(new))
        try await gate.whileRunning {
            #expect(try await gate.refusal(oldToken) == nil)
            #expect(try await gate.refusal(newToken) == "the token's key is not one of the issuer's")
            try TokenGate.write([new.jwk], to: gate.path)
            try await eventually { try await gate.refusal(newToken) == nil }
            #expect(try await gate.refusal(oldToken) == "the token's key is not one of the issuer's")
        }
    }

    @Test("A file that is malformed or gone leaves the last good keys, and one line in the log")
    func malformed() async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        let token = try TokenText.signed(key)
        func errors() -> [String] { gate.log.lines.filter { $0.hasPrefix("error") } }
        try await gate.whileRunning {
            try #"{"keys":["#.write(toFile: gate.path, atomically: true, encoding: .utf8)
            try await eventually { !errors().isEmpty }
            #expect(try await gate.refusal(token) == nil)
            try FileManager.default.removeItem(atPath: gate.path)
            try await eventually { errors().count == 2 }
            #expect(try await gate.refusal(token) == nil)
            // The file that is there again is read: it has no keys.
            try TokenGate.write([], to: gate.path)
            try await eventually { try await gate.refusal(token) != nil }
        }
        #expect(
            errors() == [
                "error the JWKS file cannot be used; the keys read before still count: "
                    + "it is not a JSON object with a list of 'keys'",
                "error the JWKS file cannot be used; the keys read before still count: "
                    + "the file cannot be read: No such file or directory",
                "error the JWKS has no usable key: every token is refused",
            ]
        )
    }
}

@Suite(.timeLimit(.minutes(5)))
struct VerifiedTokensTests {
    private func digest(_ number: Int) -> SHA256Digest { SHA256.hash(data: Array("\(number)".utf8)) }

    private func principal(_ number: Int) -> Principal {
        Principal(name: "\(number)", tenant: .default, scopes: [])
    }

    @Test("No more tokens are remembered than there is room for, and the first to come is the first to go")
    func eviction() {
        var tokens = VerifiedTokens(capacity: 3)
        for number in 1...3 { tokens.insert(digest(number), principal(number), now: 0, expiry: 100) }
        // The first comes again, and is now the last to have come.
        tokens.insert(digest(1), principal(1), now: 0, expiry: 100)
        #expect(tokens.principal(digest(1), now: 0) == principal(1))
        for number in 4...5 { tokens.insert(digest(number), principal(number), now: 0, expiry: 100) }
        let known = (1...5).filter { tokens.principal(digest($0), now: 0) != nil }
        #expect(known == [1, 4, 5])
        for number in 6...1_000 { tokens.insert(digest(number), principal(number), now: 0, expiry: 100) }
        #expect(tokens.count == 3)
    }

    @Test("A token is remembered for a minute, to its expiry, and not before it was verified")
    func time() {
        var tokens = VerifiedTokens()
        tokens.insert(digest(1), principal(1), now: 1_000, expiry: 5_000)
        tokens.insert(digest(2), principal(2), now: 1_000, expiry: 1_010)
        tokens.insert(digest(3), principal(3), now: 1_000, expiry: 990)
        func known(_ now: Double) -> [Int] { (1...3).filter { tokens.principal(digest($0), now: now) != nil } }
        #expect(known(1_000) == [1, 2])
        #expect(known(1_009.9) == [1, 2])
        #expect(known(1_010) == [1])
        #expect(known(1_059.9) == [1])
        #expect(known(1_060) == [])
        #expect(known(999) == [])
    }
}
