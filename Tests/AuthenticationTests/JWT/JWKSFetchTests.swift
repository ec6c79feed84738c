import Authentication
import JSON
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(5)))
struct JWKSFetchTests {
    private static let notKnown = AuthenticationFailure("the issuer's keys are not known")
    private static let notTheirs = AuthenticationFailure("the token's key is not one of the issuer's")

    /// The mode over a server's keys while both run; `port` is where the keys are said to be.
    private static func run(
        _ server: JWKSServer,
        port: Int? = nil,
        timing: JWKSTiming = JWKSTiming(),
        _ body: (JWTMode, TokenLog, Int) async throws -> Void
    ) async throws {
        try await server.whileListening { listening in
            let settings = try JWTSettings(
                jwks: "http://127.0.0.1:\(port ?? listening)/jwks", issuer: TokenText.issuer,
                audience: TokenText.audience
            )
            let log = TokenLog()
            let mode = try await JWTMode(settings, logger: log.logger, timing: timing) { Double(TokenText.now) }
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { await mode.run() }
                defer { group.cancelAll() }
                try await body(mode, log, listening)
            }
        }
    }

    private static func answer(_ mode: JWTMode, _ token: String) async -> Result<Principal, AuthenticationFailure> {
        await mode.principal(for: Credentials(jwt: token))
    }

    private static func isAccepted(_ mode: JWTMode, _ token: String) async -> Bool {
        (try? await answer(mode, token).get()) != nil  // the reason is looked at by who expects a refusal
    }

    /// What is logged first, once something is.
    private static func firstLine(_ log: TokenLog) async throws -> String {
        try await eventually { !log.lines.isEmpty }
        return log.lines[0]
    }

    /// Waits until the keys were fetched at least once.
    private static func untilFetched(_ log: TokenLog) async throws {
        try await eventually { log.lines.contains("info the JWKS was read") }
    }

    @Test("Keys are fetched at start, and tokens then verified at once")
    func start() async throws {
        let key = try await IssuerKey.make(.es256)
        let server = JWKSServer()
        server.publish([key.jwk])
        try await Self.run(server) { mode, log, _ in
            try await Self.untilFetched(log)
            let token = try TokenText.signed(key)
            #expect(try mode.principalAtOnce(for: Credentials(jwt: token))?.get().name == "jwt:agent-7")
            #expect(server.paths == ["/jwks"])
        }
    }

    @Test("Nobody is let in before the keys were fetched, nor waits when nothing fetches them")
    func notRunning() async throws {
        let key = try await IssuerKey.make(.es256)
        let settings = try JWTSettings(
            jwks: "https://issuer.example/jwks", issuer: TokenText.issuer, audience: TokenText.audience
        )
        let mode = try await JWTMode(settings, logger: TokenLog().logger)
        let token = try TokenText.signed(key)
        #expect(mode.principalAtOnce(for: Credentials(jwt: token)) == .failure(Self.notKnown))
        #expect(await Self.answer(mode, token) == .failure(Self.notKnown))
    }

    @Test("A token with a new key has it fetched at once; the wrong form of one does not")
    func rotation() async throws {
        let (old, new) = (try await IssuerKey.make(.es256, id: "old"), try await IssuerKey.make(.es256, id: "new"))
        let server = JWKSServer()
        server.publish([old.jwk])
        try await Self.run(server) { mode, log, _ in
            try await Self.untilFetched(log)
            let (oldToken, newToken) = (try TokenText.signed(old), try TokenText.signed(new))
            #expect(await Self.isAccepted(mode, oldToken))
            server.publish([new.jwk])
            let malformed = AuthenticationFailure("the token does not have three parts")
            #expect(mode.principalAtOnce(for: Credentials(jwt: newToken + ".")) == .failure(malformed))
            #expect(mode.principalAtOnce(for: Credentials(jwt: newToken)) == nil)
            #expect(server.paths.count == 1)
            #expect(await Self.isAccepted(mode, newToken))
            #expect(server.paths.count == 2)
            // The old key left, and with it what was verified by it.
            #expect(mode.principalAtOnce(for: Credentials(jwt: oldToken)) == .failure(Self.notTheirs))
        }
    }

    @Test("A key that left the set is refused after the next refresh, without anybody asking")
    func removal() async throws {
        let (old, new) = (try await IssuerKey.make(.es256, id: "old"), try await IssuerKey.make(.es256, id: "new"))
        let server = JWKSServer()
        server.publish([old.jwk, new.jwk])
        var timing = JWKSTiming()
        timing.refresh = .milliseconds(1)
        try await Self.run(server, timing: timing) { mode, log, _ in
            try await Self.untilFetched(log)
            let (oldToken, newToken) = (try TokenText.signed(old), try TokenText.signed(new))
            #expect(await Self.isAccepted(mode, oldToken))
            server.publish([new.jwk])
            // Known keys cause no fetch: it is the time that does.
            try await eventually { await !Self.isAccepted(mode, oldToken) }
            #expect(await Self.isAccepted(mode, newToken))
        }
    }

    @Test("A flood of unknown keys causes one fetch, which all wait for, and then none")
    func flood() async throws {
        let key = try await IssuerKey.make(.es256)
        let server = JWKSServer()
        server.publish([key.jwk])
        try await Self.run(server) { mode, log, _ in
            try await Self.untilFetched(log)
            var tokens: [String] = []
            for number in 0..<200 {
                tokens.append(try TokenText.signed(key, header: #"{"alg":"ES256","kid":"unknown-\#(number)"}"#))
            }
            server.answer.delay = 100
            let answers = await withTaskGroup { group in
                for token in tokens { group.addTask { await Self.answer(mode, token) } }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers == Array(repeating: .failure(Self.notTheirs), count: 200))
            #expect(server.paths.count == 2)
            for token in tokens {
                #expect(mode.principalAtOnce(for: Credentials(jwt: token)) == .failure(Self.notTheirs))
                #expect(await Self.answer(mode, token) == .failure(Self.notTheirs))
            }
            #expect(server.paths.count == 2)
            #expect(try await Self.isAccepted(mode, TokenText.signed(key)))
        }
    }

    @Test("A server that is down at start lets nobody in until it is up")
    func downAtStart() async throws {
        let key = try await IssuerKey.make(.es256)
        let server = JWKSServer()
        server.publish([key.jwk])
        server.answer.status = 503
        try await Self.run(server) { mode, log, _ in
            let token = try TokenText.signed(key)
            #expect(
                try await Self.firstLine(log)
                    == "warning the JWKS cannot be fetched: every token is refused until it can"
                    + ": the answer's status is 503, not 200"
            )
            #expect(await Self.answer(mode, token) == .failure(Self.notKnown))
            server.publish([key.jwk])
            try await eventually { await Self.isAccepted(mode, token) }
        }
    }

    @Test("A port where nobody listens lets nobody in, and is said in the log")
    func refusedConnection() async throws {
        // One server for its port, which it gives up again.
        var gone = 0
        try await JWKSServer().whileListening { gone = $0 }
        try await Self.run(JWKSServer(), port: gone) { mode, log, _ in
            let token = try TokenText.signed(try await IssuerKey.make(.es256))
            let line = try await Self.firstLine(log)
            #expect(line.hasPrefix("warning the JWKS cannot be fetched: every token is refused"))
            #expect(await Self.answer(mode, token) == .failure(Self.notKnown))
        }
    }

    @Test("When the server goes down, the last good keys serve, and after the longest age none")
    func downLater() async throws {
        let key = try await IssuerKey.make(.es256)
        let token = try TokenText.signed(key)
        for (age, isDropped) in [(Duration.seconds(24 * 3_600), false), (.zero, true)] {
            let server = JWKSServer()
            server.publish([key.jwk])
            var timing = JWKSTiming()
            timing.maximumAge = age
            timing.refresh = .milliseconds(1)
            timing.demand = .seconds(3_600)
            try await Self.run(server, timing: timing) { mode, log, _ in
                try await Self.untilFetched(log)
                server.answer.status = 500
                try await eventually { log.lines.contains { $0.contains("the answer's status is 500") } }
                try await eventually { !isDropped || log.lines.contains { $0.hasPrefix("error ") } }
                #expect(await Self.isAccepted(mode, token) == !isDropped)
                server.publish([key.jwk])
                try await eventually { await Self.isAccepted(mode, token) }
            }
        }
    }

    @Test("A redirect is not followed, an answer is neither too large nor too slow nor something else")
    func badAnswers() async throws {
        let key = try await IssuerKey.make(.es256)
        let good = JWKSServer()
        good.publish([key.jwk])
        let document = good.answer.body
        let token = try TokenText.signed(key)
        try await good.whileListening { goodPort in
            let target = "http://127.0.0.1:\(goodPort)/jwks"
            let answers: [(JWKSServer.Answer, String)] = [
                (.init(status: 302, body: document, location: target), "the answer's status is 302, not 200"),
                (.init(status: 308, body: document, location: target), "the answer's status is 308, not 200"),
                (.init(status: 201, body: document), "the answer's status is 201, not 200"),
                (
                    .init(body: document + String(repeating: " ", count: 1 << 20)),
                    "the answer has more than 1048576 bytes"
                ),
                (.init(body: document, pause: 3_600_000), "no whole answer in 0.3 seconds"),
                (.init(body: document, delay: 3_600_000), "no whole answer in 0.3 seconds"),
                (.init(body: String(document.dropLast())), "it is not a JSON object with a list of 'keys'"),
                (.init(body: "<html></html>"), "it is not a JSON object with a list of 'keys'"),
            ]
            for (answer, reason) in answers {
                let server = JWKSServer()
                server.answer = answer
                var timing = JWKSTiming()
                // A machine that is busy is not to make an honest answer late.
                if answer.delay + answer.pause > 0 { timing.timeout = .milliseconds(300) }
                try await Self.run(server, timing: timing) { mode, log, _ in
                    let line = try await Self.firstLine(log)
                    #expect(line.hasSuffix(": \(reason)"), "\(line)")
                    #expect(await Self.answer(mode, token) == .failure(Self.notKnown))
                }
            }
        }
        #expect(good.paths == [])
    }

    @Test("The addresses of keys in a token's header are never asked")
    func addressesInHeader() async throws {
        let issuer = try await IssuerKey.make(.es256)
        let attacker = try await IssuerKey.make(.es256, id: "mine")
        let (server, trap) = (JWKSServer(), JWKSServer())
        server.publish([issuer.jwk])
        trap.publish([attacker.jwk])
        var timing = JWKSTiming()
        timing.demand = .zero
        try await trap.whileListening { trapPort in
            try await Self.run(server, timing: timing) { mode, log, _ in
                try await Self.untilFetched(log)
                let url = "http://127.0.0.1:\(trapPort)/jwks"
                for name in ["jku", "x5u", "iss", "jwks_uri", "kid"] {
                    let header = #"{"alg":"ES256","\#(name)":"\#(url)"\#(name == "kid" ? "" : #","kid":"mine""#)}"#
                    let claims = TokenText.claims(["iss": "\"\(url)\""])
                    let token = try TokenText.signed(attacker, header: header, claims: claims)
                    #expect(await Self.answer(mode, token) == .failure(Self.notTheirs))
                }
                // Every one of them had the issuer asked, and the issuer alone.
                #expect(server.paths.count == 6)
                #expect(Set(server.paths) == ["/jwks"])
            }
            #expect(trap.paths == [])
        }
    }

    @Test("A server that ends lets those go who wait for a fetch")
    func shutdown() async throws {
        let key = try await IssuerKey.make(.es256)
        let server = JWKSServer()
        server.publish([key.jwk])
        server.answer.delay = 3_600_000
        var timing = JWKSTiming()
        timing.timeout = .seconds(3_600)
        try await server.whileListening { port in
            let settings = try JWTSettings(
                jwks: "http://127.0.0.1:\(port)/jwks", issuer: TokenText.issuer, audience: TokenText.audience
            )
            let mode = try await JWTMode(settings, logger: TokenLog().logger, timing: timing)
            let token = try TokenText.signed(key)
            await withTaskGroup { group in
                group.addTask {
                    await mode.run()
                    return false
                }
                try? await eventually { server.paths.count == 1 }  // throws when cancelled
                group.addTask { await Self.answer(mode, token) == .failure(Self.notKnown) }
                group.cancelAll()
                let ends = await group.reduce(into: []) { $0.append($1) }
                #expect(ends.contains(true))
                #expect(ends.count == 2)
            }
        }
    }
}
