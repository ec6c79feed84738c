import Authentication
import HTTPTypes
import JSON
import JWTKit
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct JWTSignatureAttackTests {
    private static let signatureRefusal = "the token's signature is not that of its key"
    private static let formRefusal = "a part of the token is not base64url"
    private static let partsRefusal = "the token does not have three parts"

    @Test("Claims that were changed after signing are refused", arguments: SignatureAlgorithm.allCases)
    func tampered(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let gate = try await TokenGate([key.jwk])
        let parts = try TokenText.signed(key).split(separator: ".").map(String.init)
        let claims = TokenText.encoded(TokenText.claims(["tenant": #""other""#]))
        let header = TokenText.encoded(TokenText.header(key, #","x":1"#))
        #expect(try await gate.refusal("\(parts[0]).\(claims).\(parts[2])") == Self.signatureRefusal)
        #expect(try await gate.refusal("\(header).\(parts[1]).\(parts[2])") == Self.signatureRefusal)
        // The good token still is one: the others were refused for what they are.
        #expect(try await gate.refusal(parts.joined(separator: ".")) == nil)
    }

    @Test("A signature is for one token and of one key", arguments: SignatureAlgorithm.allCases)
    func foreign(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let other = try await IssuerKey.make(algorithm, rsa: RSANumbers.second)
        let gate = try await TokenGate([key.jwk])
        let token = try TokenText.signed(key).split(separator: ".")
        let another = try TokenText.signed(key, claims: TokenText.claims(["sub": #""root""#])).split(separator: ".")
        #expect(try await gate.refusal("\(token[0]).\(token[1]).\(another[2])") == Self.signatureRefusal)
        #expect(try await gate.refusal(try TokenText.signed(other)) == Self.signatureRefusal)
    }

    @Test("A signature that is cut, made longer, or all zeros is refused", arguments: SignatureAlgorithm.allCases)
    func deformed(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let gate = try await TokenGate([key.jwk])
        let text = TokenText.encoded(TokenText.header(key)) + "." + TokenText.encoded(TokenText.claims())
        let signature = try key.signer.sign(Array(text.utf8))
        let zeros = [UInt8](repeating: 0, count: signature.count)
        for bad in [Array(signature.dropLast()), signature + [0], [0] + signature, zeros, [0], signature + signature] {
            #expect(try await gate.refusal(text + "." + TokenText.base64URL(bad)) == Self.signatureRefusal)
        }
        #expect(try await gate.refusal(text + ".") == "the token is not signed")
    }

    @Test("A token has three parts and not one dot more or less")
    func parts() async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        let token = try TokenText.signed(key)
        let parts = token.split(separator: ".")
        for bad in [
            token + ".", "." + token, token + "." + parts[2], "\(parts[0]).\(parts[1])",
            "\(parts[0])..\(parts[1]).\(parts[2])",
            String(parts[0]), ".", "", "....", token + "...." + token,
        ] {
            #expect(try await gate.refusal(bad) == Self.partsRefusal)
        }
    }

    @Test("Base64 of another alphabet, with padding, white space or left-over bits is refused")
    func encoding() async throws {
        let key = try await IssuerKey.make(.eddsa)
        let gate = try await TokenGate([key.jwk])
        // Sixty-four bytes of signature leave four bits over, which must be zero.
        let token = try TokenText.signed(key)
        let parts = token.split(separator: ".").map(String.init)
        let last = try #require(parts[2].last)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let value = try #require(alphabet.firstIndex(of: last))
        #expect(value % 16 == 0)
        for other in value + 1..<value + 16 {
            let signature = parts[2].dropLast() + String(alphabet[other])
            #expect(try await gate.refusal("\(parts[0]).\(parts[1]).\(signature)") == Self.formRefusal)
        }
        for index in 0..<3 {
            for bad in ["=", "==", " ", "\t", "%3D", "é", "+", "/", "\u{0}", "*", "~"] {
                var changed = parts
                changed[index] = changed[index].prefix(9) + bad + changed[index].dropFirst(9)
                #expect(try await gate.refusal(changed.joined(separator: ".")) == Self.formRefusal, "\(index) \(bad)")
            }
            var padded = parts
            padded[index] += String(repeating: "=", count: (4 - parts[index].utf8.count % 4) % 4)
            if padded == parts { padded[index] += "=" }
            #expect(try await gate.refusal(padded.joined(separator: ".")) == Self.formRefusal)
        }
    }

    @Test("A token over 16 KiB is refused without being taken apart")
    func size() async throws {
        let key = try await IssuerKey.make(.es256)
        let gate = try await TokenGate([key.jwk])
        func token(_ filling: Int) throws -> String {
            let filling = "\"\(String(repeating: "x", count: filling))\""
            return try TokenText.signed(key, claims: TokenText.claims(["x": filling]))
        }
        let (fits, large) = (try token(11_800), try token(12_200))
        #expect(fits.utf8.count < 16_384 && large.utf8.count > 16_384)
        #expect(try await gate.refusal(fits) == nil)
        #expect(try await gate.refusal(large) == "the token is too long")
        #expect(try await gate.refusal(String(repeating: ".", count: 1 << 20)) == "the token is too long")
    }

    @Test(
        "No change to a good token makes another that is accepted",
        arguments: [SignatureAlgorithm.es256, .rs256, .eddsa])
    func mutations(_ algorithm: SignatureAlgorithm) async throws {
        let key = try await IssuerKey.make(algorithm)
        let gate = try await TokenGate([key.jwk])
        let token = try TokenText.signed(key)
        #expect(try await gate.refusal(token) == nil)
        var generator = SeededGenerator(seed: testSeed("mutations of a token"))
        var tried = 0
        while tried < 3_400 {
            let mutation = Self.mutate(Array(token.utf8), &generator)
            let text = String(decoding: mutation, as: UTF8.self)
            let credentials = Credentials(jwt: text)
            // White space around a header's value is not a part of it.
            let shown = try #require(credentials.headers[.authorization]).dropFirst(6)
            guard shown.drop(while: { $0 == " " }) != token else { continue }
            tried += 1
            let answer = gate.mode.principalAtOnce(for: credentials)
            guard case .failure = answer else {
                Issue.record("accepted: \(text), which was \(token)")
                return
            }
        }
        #expect(tried == 3_400)
        #expect(try await gate.refusal(token) == nil)
    }

    private static func mutate(_ token: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ".utf8)
        var mutation = token
        for _ in 0...Int.random(in: 0...2, using: &generator) where !mutation.isEmpty {
            let at = Int.random(in: mutation.indices, using: &generator)
            let other = Int.random(in: mutation.indices, using: &generator)
            switch Int.random(in: 0...7, using: &generator) {
            case 0: mutation[at] ^= 1 << UInt8.random(in: 0...6, using: &generator)
            case 1...3: mutation[at] = alphabet.randomElement(using: &generator) ?? 0
            case 4: mutation.remove(at: at)
            case 5: mutation.insert(alphabet.randomElement(using: &generator) ?? 0, at: at)
            case 6: mutation.swapAt(at, other)
            default:
                let range = min(at, other)..<max(at, other)
                Bool.random(using: &generator)
                    ? mutation.removeSubrange(range) : mutation.append(contentsOf: token.prefix(at))
            }
        }
        return mutation
    }
}
