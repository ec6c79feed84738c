@testable import Authentication
import Checkpoints
import Crypto
import Foundation
import HTTPTypes
import JSON
import Logging

/// No token lets anybody in that the issuer did not sign, nor one that says of itself that it is for somebody else.
enum TokenProperty {
    private static let now = 1_800_000_000.0
    private static let issuer = "https://issuer.example/"
    private static let audience = "milepost"

    static func check(_ input: [UInt8]) {
        var choices = Choices(input)
        switch choices.byte() % 4 {
        case 0: checkForgery(String(decoding: choices.rest, as: UTF8.self))
        case 1: checkEdits(&choices)
        case 2: checkHeader(Array(choices.rest))
        default: checkClaims(Array(choices.rest))
        }
    }

    // MARK: - The issuer

    /// Keys that anybody may know: what is signed here lets nobody in elsewhere.
    private static let keys: (edwards: Curve25519.Signing.PrivateKey, curve: P256.Signing.PrivateKey) = {
        let secret = (1...32).map { UInt8($0) }
        guard let edwards = try? Curve25519.Signing.PrivateKey(rawRepresentation: secret),
            let curve = try? P256.Signing.PrivateKey(rawRepresentation: secret)
        else { fatalError("no keys") }
        return (edwards, curve)
    }()

    private static let settings: JWTSettings = {
        let path = FileManager.default.temporaryDirectory.appending(path: "milepost-fuzz-\(getpid()).json").path
        let point = keys.curve.publicKey.rawRepresentation
        let set = """
            {"keys":[
            {"kty":"OKP","crv":"Ed25519","x":"\(encoded(keys.edwards.publicKey.rawRepresentation))","kid":"e"},
            {"kty":"EC","crv":"P-256","x":"\(encoded(point.prefix(32)))","y":"\(encoded(point.suffix(32)))","kid":"c"}
            ]}
            """
        do {
            try Data(set.utf8).write(to: URL(fileURLWithPath: path))
            return try JWTSettings(jwks: path, issuer: issuer, audience: audience)
        } catch {
            fatalError("no settings: \(error)")
        }
    }()

    private static let mode: JWTMode = wait {
        do {
            let mode = try await JWTMode(settings, logger: Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }) {
                now
            }
            if case .file(let path) = settings.jwks { try FileManager.default.removeItem(atPath: path) }
            return mode
        } catch {
            fatalError("no mode: \(error)")
        }
    }

    private static let good: [String] = {
        let claims =
            #"{"iss":"\#(issuer)","aud":"\#(audience)","sub":"a","exp":1800000600,"tenant":"acme","scope":"read"}"#
        let tokens = ["e", "c"].map { key in
            let header = #"{"alg":"\#(key == "e" ? "EdDSA" : "ES256")","typ":"JWT","kid":"\#(key)"}"#
            return signed(Array(header.utf8), Array(claims.utf8), key)
        }
        for token in tokens { require(isLetIn(token), "a good token is one") }
        return tokens
    }()

    private static func signed(_ header: [UInt8], _ claims: [UInt8], _ key: String) -> String {
        let text = encoded(Data(header)) + "." + encoded(Data(claims))
        let bytes = Data(text.utf8)
        let signature =
            key == "e"
            ? try? keys.edwards.signature(for: bytes) : try? keys.curve.signature(for: bytes).rawRepresentation
        guard let signature else { fatalError("no signature") }
        return text + "." + encoded(signature)
    }

    private static func encoded(_ bytes: Data) -> String {
        bytes.base64EncodedString().filter { $0 != "=" }.replacing("+", with: "-").replacing("/", with: "_")
    }

    private static func isLetIn(_ token: String) -> Bool {
        let credentials = Credentials(headers: [.authorization: "Bearer \(token)"], source: "192.0.2.1")
        guard mode.recognises(credentials), let answer = mode.principalAtOnce(for: credentials) else { return false }
        if case .success = answer { return true }
        // A server that does not look at the signature of a token without a key's id.
        return subject(false) { _ in token.split(separator: ".").count == 3 && !token.hasPrefix(good[0].prefix(40)) }
    }

    // MARK: - Attacks

    private static func checkForgery(_ token: String) {
        guard isLetIn(token) else { return }
        // As the server sees it: what cannot stand in a header is a space by then.
        let seen = HTTPFields(dictionaryLiteral: (.authorization, "Bearer \(token)"))[.authorization] ?? ""
        require(good.contains { seen.dropFirst(6).drop { $0 == " " } == $0 }, "nobody signed \(Array(token.utf8))")
    }

    /// A good token with a few characters changed.
    private static func checkEdits(_ choices: inout Choices) {
        var token = Array(good[Int(choices.byte()) % 2].utf8)
        while !choices.isEmpty, !token.isEmpty {
            let place = choices.number(below: token.count)
            switch choices.byte() % 4 {
            case 0: token[place] = choices.byte()
            case 1: token.insert(choices.byte(), at: place)
            case 2: token.remove(at: place)
            default: token.swapAt(place, choices.number(below: token.count))
            }
        }
        checkForgery(String(decoding: token, as: UTF8.self))
    }

    /// A header of the input's own under a good signature.
    private static func checkHeader(_ header: [UInt8]) {
        let claims = #"{"iss":"\#(issuer)","aud":"\#(audience)","sub":"a","exp":1800000600,"tenant":"acme"}"#
        for (key, algorithm) in [("e", "EdDSA"), ("c", "ES256")] where isLetIn(signed(header, Array(claims.utf8), key))
        {
            let read = object(header)
            require(read?["alg"] as? String == algorithm, "the algorithm is the key's")
            // There is one key for each algorithm.
            require(read?["kid"].map { $0 as? String == key } ?? true, "and the key the one that is named")
            require(read?["crit"] == nil && read?["b64"] == nil, "and nothing is asked for that nobody knows")
        }
    }

    /// Claims whose signature is good.
    private static func checkClaims(_ payload: [UInt8]) {
        guard let claims = try? TokenClaims(payload, settings: settings, now: now) else { return }
        guard let read = object(payload) else { return require(false, "claims that are no JSON for anybody else") }
        require(read["iss"] as? String == issuer, "the issuer is the right one")
        let audiences = read["aud"] as? [String] ?? [read["aud"] as? String ?? ""]
        require(audiences.contains(audience), "it is for this server")
        require((read["exp"] as? Double ?? 0) + 60 > now, "and has not expired")
        require((read["nbf"] as? Double ?? 0) <= now + 60, "and is valid already")
        require(read["sub"] as? String == String(claims.principal.name.dropFirst(4)), "the subject is the one it names")
        require(read["tenant"] as? String == claims.principal.tenant.name.text, "and so is the tenant")
        require(!claims.principal.tenant.name.isEmpty, "which is not the default one")
    }

    private static func object(_ bytes: [UInt8]) -> [String: Any]? {
        // What is no JSON is no object.
        (try? JSONSerialization.jsonObject(with: Data(bytes))) as? [String: Any]
    }
}
