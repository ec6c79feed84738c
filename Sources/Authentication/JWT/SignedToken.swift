import JSON

/// A token taken apart, its header checked, its signature and claims not yet.
struct SignedToken {
    static let maximumBytes = 16 * 1024
    private static let maximumKeyIDBytes = 256

    let algorithm: SignatureAlgorithm
    /// What the token calls its key: only ever compared with the ids in the issuer's set.
    let keyID: JSONString?
    /// Header and payload as they were sent, which is what is signed.
    let signedBytes: [UInt8]
    let payload: [UInt8]
    let signature: [UInt8]

    init(_ text: [UInt8], allowing algorithms: Set<SignatureAlgorithm>) throws(AuthenticationFailure) {
        guard text.count <= Self.maximumBytes else { throw AuthenticationFailure("the token is too long") }
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3 else { throw AuthenticationFailure("the token does not have three parts") }
        guard let headerBytes = Base64URL.decode(parts[0]), let payload = Base64URL.decode(parts[1]),
            let signature = Base64URL.decode(parts[2])
        else { throw AuthenticationFailure("a part of the token is not base64url") }
        guard let header = JSONValue(strictObject: headerBytes) else {
            throw AuthenticationFailure("the token's header is not a JSON object with unique names")
        }
        algorithm = try Self.algorithm(header, allowing: algorithms)
        keyID = try Self.keyID(header)
        guard !signature.isEmpty else { throw AuthenticationFailure("the token is not signed") }
        signedBytes = Array(text[..<parts[1].endIndex])
        self.payload = payload
        self.signature = signature
    }

    private static func algorithm(
        _ header: JSONValue,
        allowing algorithms: Set<SignatureAlgorithm>
    ) throws(AuthenticationFailure) -> SignatureAlgorithm {
        guard let name = header["alg"]?.string, let algorithm = SignatureAlgorithm(rawValue: name),
            algorithms.contains(algorithm)
        else { throw AuthenticationFailure("the token's algorithm is not one that is accepted") }
        if let type = header["typ"] {
            guard let type = type.string?.lowercased(), type == "jwt" || type == "at+jwt" else {
                throw AuthenticationFailure("the token is of another type")
            }
        }
        // Extensions that must be understood (RFC 7515 §4.1.11), of which none is here; `b64` is one (RFC 7797).
        guard header["crit"] == nil, header["b64"] == nil else {
            throw AuthenticationFailure("the token's header asks for an extension")
        }
        return algorithm
    }

    private static func keyID(_ header: JSONValue) throws(AuthenticationFailure) -> JSONString? {
        guard let value = header["kid"] else { return nil }
        guard case .string(let id) = value, (1...maximumKeyIDBytes).contains(id.wtf8.count) else {
            throw AuthenticationFailure("the token's key id is not a string, empty, or too long")
        }
        return id
    }
}
