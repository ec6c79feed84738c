import Authentication
import Foundation
import HTTPTypes
import JSON
import Logging
import Synchronization
import TestSupport
import Testing

/// The mode over a file of keys, and what it says to a token.
struct TokenGate: Sendable {
    static let everyAlgorithm = SignatureAlgorithm.allCases.map(\.rawValue)

    let mode: JWTMode
    let log: TokenLog
    let path: String
    private let directory: TemporaryDirectory

    init(
        _ keys: [JSONValue],
        algorithms: [String] = everyAlgorithm,
        tenantClaim: String = "tenant",
        scopesClaim: String = "scope",
        now: @escaping @Sendable () -> Double = { Double(TokenText.now) }
    ) async throws {
        directory = try TemporaryDirectory()
        path = directory.file("jwks.json")
        try Self.write(keys, to: path)
        let settings = try JWTSettings(
            jwks: path, issuer: TokenText.issuer, audience: TokenText.audience, algorithms: algorithms,
            tenantClaim: tenantClaim, scopesClaim: scopesClaim
        )
        log = TokenLog()
        var timing = JWKSTiming()
        timing.look = .milliseconds(5)
        mode = try await JWTMode(settings, logger: log.logger, timing: timing, now: now)
    }

    static func write(_ keys: [JSONValue], to path: String) throws {
        let document: JSONValue = ["keys": .array(keys)]
        try String(decoding: document.text.bytes, as: UTF8.self).write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// What both ways to ask say; they must agree, as nothing has to be fetched, but that the slow take their time.
    func answer(
        _ token: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> Result<Principal, AuthenticationFailure> {
        let credentials = Credentials(jwt: token)
        #expect(mode.recognises(credentials), sourceLocation: sourceLocation)
        let later = await mode.principal(for: credentials)
        if let atOnce = mode.principalAtOnce(for: credentials) {
            #expect(atOnce == later, sourceLocation: sourceLocation)
        } else {
            let slow = [#"{"alg":"ES38"#, #"{"alg":"ES51"#].map(TokenText.encoded)
            #expect(slow.contains { token.hasPrefix($0) }, sourceLocation: sourceLocation)
        }
        return later
    }

    /// Why the token is refused; nil if it is not.
    func refusal(_ token: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String? {
        switch try await answer(token, sourceLocation: sourceLocation) {
        case .success: nil
        case .failure(let failure): failure.reason
        }
    }

    /// Runs `body` while the keys are kept as new as their file.
    func whileRunning(_ body: () async throws -> Void) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { [mode] in await mode.run() }
            defer { group.cancelAll() }
            try await body()
        }
    }
}

extension Credentials {
    init(jwt token: String) {
        self.init(headers: [.authorization: "Bearer \(token)"], source: "192.0.2.1")
    }
}

/// Keeps what is logged.
final class TokenLog: Sendable {
    private let seen = Mutex<[String]>([])
    var lines: [String] { seen.withLock { $0 } }

    var logger: Logger {
        Logger(label: "test") { _ in Recorder(log: self) }
    }

    private struct Recorder: LogHandler {
        let log: TokenLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let reason = event.metadata?["reason"].map { ": \($0)" } ?? ""
            log.seen.withLock { $0.append("\(event.level) \(event.message)\(reason)") }
        }
    }
}

/// A clock that a test moves.
final class TokenClock: Sendable {
    private let time = Mutex(Double(TokenText.now))

    var seconds: Double {
        get { time.withLock { $0 } }
        set { time.withLock { $0 = newValue } }
    }
}
