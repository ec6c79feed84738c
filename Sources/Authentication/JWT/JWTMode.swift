import Crypto
import Glibc
import HTTPTypes
import JWTKit
package import Logging
package import Observability
import Synchronization

/// Callers that show a token of the issuer: `Authorization: Bearer <token>`.
///
/// A token is verified on the spot, which takes microseconds, and then known for up to a minute. One waits that names a
/// key of which nothing is known yet, for the issuer's keys to be fetched, and one of an algorithm that is slow.
package struct JWTMode: AuthenticationMode {
    private enum Verdict {
        case caller(Principal)
        case unknownKey
        /// The signature takes longer than an event loop has.
        case takesLong
    }

    private enum Source {
        case file(JWKSFile)
        case url(JWKSFetcher)
    }

    package let name = "jwt"
    package var evictionCount: Int { keys.current?.verified.withLock { $0.evictionCount } ?? 0 }
    private let settings: JWTSettings
    private let keys: IssuerKeys
    private let source: Source
    private let timing: JWKSTiming
    private let logger: Logger
    private let now: @Sendable () -> Double

    /// Reads the keys if they are in a file; if they are to be fetched, `run()` does, and until then nobody is let in.
    ///
    /// `now` is in seconds since 1970. With `tracer` a fetch of keys is a part of the trace of the request that needs them.
    package init(
        _ settings: JWTSettings,
        logger: Logger,
        timing: JWKSTiming = JWKSTiming(),
        tracer: OTLPTracer? = nil,
        now: @escaping @Sendable () -> Double = { JWTMode.wallClock }
    ) async throws(JWTSettingsError) {
        self.settings = settings
        self.logger = logger
        self.timing = timing
        self.now = now
        keys = IssuerKeys(algorithms: settings.algorithms, logger: logger)
        switch settings.jwks {
        case .file(let path):
            let file = JWKSFile(path: path)
            source = .file(file)
            try await readAtStart(file)
        case .url(let url):
            source = .url(JWKSFetcher(url: url, keys: keys, timing: timing, tracer: tracer, logger: logger))
        }
    }

    private func readAtStart(_ file: JWKSFile) async throws(JWTSettingsError) {
        do throws(JWKSError) {
            try await keys.replace(document: try file.read())
        } catch {
            throw JWTSettingsError(
                "the key set of jwt-jwks cannot be used: \(error.reason); give a file with the issuer's JWK set"
            )
        }
        guard keys.current?.keys.isEmpty == false else {
            throw JWTSettingsError(
                "the key set of jwt-jwks has no key for the algorithms of jwt-algorithms; "
                    + "the log says why each is not used"
            )
        }
    }

    /// Keeps the keys as new as their file or their issuer has them, until its task is cancelled.
    package func run() async {
        switch source {
        case .file(let file): await file.run(keys, every: timing.look, logger: logger)
        case .url(let fetcher): await fetcher.run()
        }
    }

    package func recognises(_ credentials: Credentials) -> Bool {
        credentials.headers[values: .authorization].contains { Self.token($0) != nil }
    }

    package func principalAtOnce(for credentials: Credentials) -> Result<Principal, AuthenticationFailure>? {
        do throws(AuthenticationFailure) {
            switch try verdict(on: Self.token(credentials), isInHaste: true) {
            case .caller(let principal): return .success(principal)
            case .takesLong: return nil
            case .unknownKey:
                if case .url(let fetcher) = source, fetcher.mayFetch { return nil }
                return .failure(unknownKey)
            }
        } catch {
            return .failure(error)
        }
    }

    package func principal(for credentials: Credentials) async -> Result<Principal, AuthenticationFailure> {
        do throws(AuthenticationFailure) {
            let token = try Self.token(credentials)
            if case .caller(let principal) = try verdict(on: token) { return .success(principal) }
            if case .url(let fetcher) = source {
                await fetcher.fetchForUnknownKey()
                if case .caller(let principal) = try verdict(on: token) { return .success(principal) }
            }
            return .failure(unknownKey)
        } catch {
            return .failure(error)
        }
    }

    private var unknownKey: AuthenticationFailure {
        keys.current == nil
            ? AuthenticationFailure("the issuer's keys are not known", .unavailable)
            : AuthenticationFailure("the token's key is not one of the issuer's", .unknown)
    }

    private func verdict(on token: [UInt8], isInHaste: Bool = false) throws(AuthenticationFailure) -> Verdict {
        let time = now()
        guard token.count <= SignedToken.maximumBytes else { throw AuthenticationFailure("the token is too long") }
        // What is verified with a set of keys is remembered with that set.
        let keys = keys.current
        let digest = SHA256.hash(data: token)
        if let principal = keys?.verified.withLock({ $0.principal(digest, now: time) }) { return .caller(principal) }
        let signed = try SignedToken(token, allowing: settings.algorithms)
        guard let keys, let verifier = try keys.verifier(for: signed) else { return .unknownKey }
        if isInHaste, !signed.algorithm.isQuick { return .takesLong }
        // It throws for a signature that has not the form of one.
        guard (try? verifier.verify(signed.signature, signs: signed.signedBytes)) == true else {
            throw AuthenticationFailure("the token's signature is not that of its key")
        }
        let claims = try TokenClaims(signed.payload, settings: settings, now: time)
        keys.verified.withLock { $0.insert(digest, claims.principal, now: time, expiry: claims.expiry) }
        return .caller(claims.principal)
    }

    /// What follows the scheme in the one header that there must be.
    private static func token(_ credentials: Credentials) throws(AuthenticationFailure) -> [UInt8] {
        let headers = credentials.headers[values: .authorization]
        guard headers.count == 1, let header = headers.first else {
            throw AuthenticationFailure("there is not exactly one authorization header")
        }
        guard let token = token(header) else { throw AuthenticationFailure("there is no token") }
        return token
    }

    /// What follows the scheme of a bearer; nil for another scheme, and for an API key.
    private static func token(_ header: String) -> [UInt8]? {
        let text = header.utf8
        guard text.prefix(6).elementsEqual("bearer".utf8, by: { $0 | 0x20 == $1 }) else { return nil }
        let rest = text.dropFirst(6)
        let token = rest.drop { $0 == UInt8(ascii: " ") }
        guard rest.isEmpty || token.count < rest.count else { return nil }
        return token.starts(with: "mlp_".utf8) ? nil : Array(token)
    }

    private static var wallClock: Double {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
