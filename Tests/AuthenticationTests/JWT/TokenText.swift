import Authentication
import Crypto
import JSON
import JWTKit

/// Writes tokens, good and bad ones.
enum TokenText {
    /// When the tests take place, in seconds since 1970.
    static let now = 1_800_000_000
    static let issuer = "https://issuer.example/"
    static let audience = "milepost"

    /// Claims that are accepted, with `changes`: a value in JSON, or nil for no such claim.
    static func claims(_ changes: KeyValuePairs<String, String?> = [:]) -> String {
        var claims: [(String, String?)] = [
            ("iss", "\"\(issuer)\""), ("aud", "\"\(audience)\""), ("sub", "\"agent-7\""), ("exp", "\(now + 600)"),
            ("tenant", "\"acme\""), ("scope", "\"read write\""),
        ]
        for (name, value) in changes {
            claims.removeAll { $0.0 == name }
            claims.append((name, value))
        }
        return "{" + claims.compactMap { name, value in value.map { "\"\(name)\":\($0)" } }.joined(separator: ",") + "}"
    }

    /// The header of a token of that key, with more members in JSON.
    static func header(_ key: IssuerKey, _ more: String = "") -> String {
        let id = key.id.map { #","kid":"\#($0)""# } ?? ""
        return #"{"alg":"\#(key.algorithm.rawValue)","typ":"JWT"\#(id)\#(more)}"#
    }

    /// A token that `key` has signed.
    static func signed(_ key: IssuerKey, header: String? = nil, claims: String = claims()) throws -> String {
        let text = encoded(header ?? self.header(key)) + "." + encoded(claims)
        return text + "." + base64URL(try key.signer.sign(Array(text.utf8)))
    }

    /// A token whose signature is a MAC with that secret, for who takes a public key for a secret.
    static func authenticated(_ secret: [UInt8], header: String, claims: String = claims()) -> String {
        let text = encoded(header) + "." + encoded(claims)
        let code = HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: secret))
        return text + "." + base64URL(Array(code))
    }

    static func encoded(_ text: String) -> String { base64URL(Array(text.utf8)) }

    static func base64URL(_ bytes: [UInt8]) -> String {
        var text = [UInt8](repeating: 0, count: Base64.encodedCount(bytes.count))
        bytes.withUnsafeBytes { bytes in text.withUnsafeMutableBytes { Base64.encode(bytes, into: $0) } }
        return unpadded(String(decoding: text, as: UTF8.self))
    }

    /// Base64 in the alphabet for URLs, without padding.
    static func unpadded(_ base64: String) -> String {
        String(base64.compactMap { $0 == "=" ? nil : $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })
    }
}
