import Logging
import Synchronization

/// The set of keys that counts now; none until one was read, and none when the last one is too old.
final class IssuerKeys: Sendable {
    private let algorithms: Set<SignatureAlgorithm>
    private let logger: Logger
    private let published = Mutex<VerificationKeys?>(nil)

    init(algorithms: Set<SignatureAlgorithm>, logger: Logger) {
        self.algorithms = algorithms
        self.logger = logger
    }

    var current: VerificationKeys? { published.withLock { $0 } }

    /// Puts a newly read set into the place of the old one, whose tokens are verified anew from now on.
    ///
    /// The same document again changes nothing.
    func replace(document: [UInt8]) async throws(JWKSError) {
        if let current, current.document == document { return }
        let keys = try await VerificationKeys(document: document, algorithms: algorithms)
        for key in keys.ignored {
            logger.warning(
                "a key of the JWKS is not used",
                metadata: ["key": .stringConvertible(key.index), "reason": .string(key.reason)]
            )
        }
        published.withLock { $0 = keys }
        let count: Logger.Metadata = ["keys": .stringConvertible(keys.keys.count)]
        if keys.keys.isEmpty {
            logger.error("the JWKS has no usable key: every token is refused", metadata: count)
        } else {
            logger.info("the JWKS was read", metadata: count)
        }
    }

    /// From now on every token is refused.
    func drop() {
        published.withLock { $0 = nil }
    }
}
