import Authentication
import JSON
import JWTKit

/// An issuer's key, which signs whatever a test writes.
struct IssuerKey: Sendable {
    let id: String?
    let algorithm: SignatureAlgorithm
    let signer: any JWTAlgorithm
    /// What the issuer publishes.
    let jwk: JSONValue

    /// A new key, or one of the two for RSA.
    static func make(
        _ algorithm: SignatureAlgorithm,
        id: String? = "key",
        rsa: (modulus: String, privateExponent: String) = RSANumbers.first
    ) async throws -> IssuerKey {
        let collection = JWTKeyCollection()
        let numbers: [(String, JSONValue)]
        switch algorithm {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
            let key = try JWTKit.Insecure.RSA.PrivateKey(
                modulus: rsa.modulus, exponent: RSANumbers.exponent, privateExponent: rsa.privateExponent
            )
            numbers = [("kty", "RSA"), ("n", text(rsa.modulus)), ("e", text(RSANumbers.exponent))]
            if algorithm.rawValue.hasPrefix("PS") {
                await collection.add(pss: key, digestAlgorithm: algorithm.digest)
            } else {
                await collection.add(rsa: key, digestAlgorithm: algorithm.digest)
            }
        case .es256:
            let key = ES256PrivateKey()
            numbers = curve("P-256", key.parameters)
            await collection.add(ecdsa: key)
        case .es384:
            let key = ES384PrivateKey()
            numbers = curve("P-384", key.parameters)
            await collection.add(ecdsa: key)
        case .es512:
            let key = ES512PrivateKey()
            numbers = curve("P-521", key.parameters)
            await collection.add(ecdsa: key)
        case .eddsa:
            let key = try EdDSA.PrivateKey()
            let x = TokenText.base64URL(Array(key.publicKey.rawRepresentation))
            numbers = [("kty", "OKP"), ("crv", "Ed25519"), ("x", text(x))]
            await collection.add(eddsa: key)
        }
        let names = [("use", "sig"), ("alg", algorithm.rawValue)] + (id.map { [("kid", $0)] } ?? [])
        let members = numbers + names.map { ($0, text($1)) }
        return IssuerKey(
            id: id,
            algorithm: algorithm,
            signer: try await collection.getKey(),
            jwk: .object(members.map { JSONMember(name: JSONString($0), value: $1) })
        )
    }

    /// The key with another of its members, or without it.
    func jwk(_ name: String, _ value: JSONValue?) -> JSONValue {
        guard case .object(var members) = jwk else { return jwk }
        members.removeAll { $0.name == JSONString(name) }
        if let value { members.append(JSONMember(name: JSONString(name), value: value)) }
        return .object(members)
    }

    private static func curve(_ name: String, _ parameters: ECDSAParameters?) -> [(String, JSONValue)] {
        let (x, y) = parameters ?? ("", "")
        return [
            ("kty", "EC"), ("crv", text(name)), ("x", text(TokenText.unpadded(x))), ("y", text(TokenText.unpadded(y))),
        ]
    }

    private static func text(_ value: String) -> JSONValue { .string(JSONString(value)) }
}

extension SignatureAlgorithm {
    fileprivate var digest: DigestAlgorithm {
        rawValue.hasSuffix("256") ? .sha256 : rawValue.hasSuffix("384") ? .sha384 : .sha512
    }
}
