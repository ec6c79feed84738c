import JSON
import JWTKit
import Synchronization

/// A set of keys as the issuer published it, and the tokens verified with them.
final class VerificationKeys: Sendable {
    /// A key with what verifies its signatures, one verifier for every algorithm that it may be used with.
    struct Key: Sendable {
        let id: JSONString?
        let verifiers: [SignatureAlgorithm: any JWTAlgorithm]
    }

    /// A key of the document that is not used, and why.
    struct IgnoredKey: Sendable {
        /// From 0.
        let index: Int
        let reason: String
    }

    static let maximumDocumentBytes = 1 << 20
    private static let maximumKeys = 100

    let document: [UInt8]
    let keys: [Key]
    let ignored: [IgnoredKey]
    let verified = Mutex(VerifiedTokens())

    /// Reads a JWK set (RFC 7517 §5), leaving out every key that cannot verify a token by one of the algorithms.
    init(document: [UInt8], algorithms: Set<SignatureAlgorithm>) async throws(JWKSError) {
        guard let set = JSONValue(strictObject: document), case .array(let elements) = set["keys"] else {
            throw JWKSError("it is not a JSON object with a list of 'keys'")
        }
        guard elements.count <= Self.maximumKeys else {
            throw JWKSError("it has more than \(Self.maximumKeys) keys")
        }
        var keys: [Key] = []
        var ignored: [IgnoredKey] = []
        var known: Set<JSONString> = []
        for (index, element) in elements.enumerated() {
            do throws(JWKSError) {
                let key = try await Key(element, algorithms: algorithms)
                if let id = key.id, !known.insert(id).inserted {
                    throw JWKSError("another key before it has the same 'kid'")
                }
                keys.append(key)
            } catch {
                ignored.append(IgnoredKey(index: index, reason: error.reason))
            }
        }
        self.document = document
        self.keys = keys
        self.ignored = ignored
    }

    /// What verifies the token's signature; nil when the token names a key that is not in the set.
    func verifier(for token: SignedToken) throws(AuthenticationFailure) -> (any JWTAlgorithm)? {
        guard let id = token.keyID else {
            let candidates = keys.compactMap { $0.verifiers[token.algorithm] }
            guard let only = candidates.first, candidates.count == 1 else {
                throw AuthenticationFailure("the token names no key, and not exactly one would do")
            }
            return only
        }
        guard let key = keys.first(where: { $0.id == id }) else { return nil }
        guard let verifier = key.verifiers[token.algorithm] else {
            throw AuthenticationFailure("the token's key is not for its algorithm")
        }
        return verifier
    }
}

/// Why a set of keys cannot be used, in words that follow "the set" or "the key".
struct JWKSError: Error, Hashable, Sendable {
    let reason: String

    init(_ reason: String) {
        self.reason = reason
    }
}
