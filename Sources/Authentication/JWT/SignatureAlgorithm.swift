import JSON

/// What a token may be signed with: the asymmetric algorithms of RFC 7518 and RFC 8037.
///
/// There is no `none` and nothing symmetric here, so that neither can be configured, nor asked for by a token.
package enum SignatureAlgorithm: String, Hashable, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case rs512 = "RS512"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case ps512 = "PS512"
    case es256 = "ES256"
    case es384 = "ES384"
    case es512 = "ES512"
    case eddsa = "EdDSA"

    /// The `kty` and `crv` that a key for it has.
    var keyType: (type: JSONString, curve: JSONString?) {
        switch self {
        case .rs256, .rs384, .rs512, .ps256, .ps384, .ps512: ("RSA", nil)
        case .es256: ("EC", "P-256")
        case .es384: ("EC", "P-384")
        case .es512: ("EC", "P-521")
        case .eddsa: ("OKP", "Ed25519")
        }
    }

    /// Whether a signature is verified in microseconds; those of the larger curves take the better part of a millisecond.
    var isQuick: Bool { self != .es384 && self != .es512 }
}
