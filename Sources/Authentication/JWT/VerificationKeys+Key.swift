import JSON
import JWTKit

extension VerificationKeys.Key {
    private static let minimumRSABits = 2_048

    /// Reads one JSON Web Key; throws when no signature of a token may be verified with it.
    init(_ key: JSONValue, algorithms: Set<SignatureAlgorithm>) async throws(JWKSError) {
        guard case .string(let type) = key["kty"] else { throw JWKSError("it has no 'kty'") }
        guard type != "oct" else { throw JWKSError("it is a shared secret, with which nothing is verified here") }
        guard key["d"] == nil else {
            throw JWKSError("its private part is published; the issuer has to replace it")
        }
        try Self.checkUse(key)
        var verifiers: [SignatureAlgorithm: any JWTAlgorithm] = [:]
        for algorithm in algorithms where Self.fits(key, type, algorithm) {
            verifiers[algorithm] = try await Self.verifier(key, algorithm)
        }
        guard !verifiers.isEmpty else { throw JWKSError("it is for none of the accepted algorithms") }
        id = try Self.id(key)
        self.verifiers = verifiers
    }

    private static func id(_ key: JSONValue) throws(JWKSError) -> JSONString? {
        guard let value = key["kid"] else { return nil }
        guard case .string(let id) = value else { throw JWKSError("its 'kid' is not a string") }
        return id
    }

    private static func checkUse(_ key: JSONValue) throws(JWKSError) {
        if let use = key["use"], use != "sig" { throw JWKSError("its 'use' is not 'sig'") }
        guard let operations = key["key_ops"] else { return }
        guard case .array(let operations) = operations, operations.contains("verify") else {
            throw JWKSError("its 'key_ops' are without 'verify'")
        }
    }

    private static func fits(_ key: JSONValue, _ type: JSONString, _ algorithm: SignatureAlgorithm) -> Bool {
        let expected = algorithm.keyType
        guard type == expected.type, expected.curve.map({ key["crv"] == .string($0) }) ?? true else { return false }
        return key["alg"].map { $0 == .string(JSONString(algorithm.rawValue)) } ?? true
    }

    private static func verifier(
        _ key: JSONValue,
        _ algorithm: SignatureAlgorithm
    ) async throws(JWKSError) -> any JWTAlgorithm {
        let name: JWKIdentifier = "key"
        let jwk: JWK
        let kind = JWK.Algorithm(rawValue: algorithm.rawValue)
        switch algorithm {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512:
            let modulus = try number(key, "n")
            let bits = modulus.bytes.bitWidth
            guard bits >= minimumRSABits else {
                throw JWKSError("it is an RSA key of \(bits) bits; at least \(minimumRSABits) are needed")
            }
            jwk = .rsa(kind, identifier: name, modulus: modulus.text, exponent: try number(key, "e").text)
        case .es256, .es384, .es512:
            let (x, y) = (try number(key, "x").text, try number(key, "y").text)
            jwk = .ecdsa(kind, identifier: name, x: x, y: y, curve: algorithm.curve)
        case .eddsa:
            jwk = .octetKeyPair(kind, identifier: name, x: try number(key, "x").text, y: nil, curve: .ed25519)
        }
        do {
            // The one way in jwt-kit's interface to what verifies without waiting.
            return try await JWTKeyCollection().add(jwk: jwk).getKey(for: name)
        } catch {
            throw JWKSError("its numbers are not those of a key")
        }
    }

    private static func number(_ key: JSONValue, _ name: String) throws(JWKSError) -> (text: String, bytes: [UInt8]) {
        guard let text = key[name]?.string, let bytes = Base64URL.decode(text.utf8), !bytes.isEmpty else {
            throw JWKSError("its '\(name)' is not a number in base64url")
        }
        return (text, bytes)
    }
}

extension SignatureAlgorithm {
    fileprivate var curve: ECDSACurve? {
        keyType.curve?.string.flatMap(ECDSACurve.init(rawValue:))
    }
}

extension [UInt8] {
    /// How many bits the big-endian number has, zeros at its start not counted.
    fileprivate var bitWidth: Int {
        guard let first = firstIndex(where: { $0 != 0 }) else { return 0 }
        return (count - first) * 8 - self[first].leadingZeroBitCount
    }
}
