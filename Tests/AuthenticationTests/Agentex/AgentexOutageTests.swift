import Authentication
import Checkpoints
import JSON
import Synchronization
import TestSupport
import Testing

@Suite("An Agentex provider in trouble, or asked by many", .timeLimit(.minutes(5)))
struct AgentexOutageTests {
    private static let paused = AuthenticationFailure(
        "the Agentex provider could not be asked: it has failed too often in the last seconds"
    )
    private static let failed = AuthenticationFailure("the Agentex provider could not be asked: it failed")
    private static let crowded = AuthenticationFailure(
        "the Agentex provider could not be asked: too many calls to it are under way"
    )

    private func credentials(_ number: Int) -> Credentials {
        Credentials([("x-number", "\(number)")])
    }

    /// The status that the stub answers with next.
    private final class Status: Sendable {
        private let status: Mutex<Int>

        init(_ status: Int) {
            self.status = Mutex(status)
        }

        var value: Int {
            get { status.withLock { $0 } }
            set { status.withLock { $0 = newValue } }
        }
    }

    @Test("After five failures nobody is asked for five seconds; then one caller tries, and the rest follow")
    func breaker() async throws {
        let (clock, status, gate) = (SetClock(), Status(503), Gate())
        try await AgentexProvider.withStub { call in
            if call["x-number"] == "7" { await gate.pass() }
            return .init(status.value, "{}")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider, now: clock.now)
            for number in 1...5 { #expect(await mode.principal(for: credentials(number)) == .failure(Self.failed)) }
            status.value = 200
            #expect(await mode.principal(for: credentials(6)) == .failure(Self.paused))
            clock.advance(by: .milliseconds(4_999))
            #expect(await mode.principal(for: credentials(6)) == .failure(Self.paused))
            #expect(stub.calls.count == 5)
            clock.advance(by: .milliseconds(1))
            async let trial = mode.principal(for: credentials(7))
            try await eventually { stub.calls.count >= 6 }
            // While it is under way nobody else may.
            #expect(await mode.principal(for: credentials(8)) == .failure(Self.paused))
            gate.open()
            _ = try await trial.get()
            _ = try await mode.principal(for: credentials(8)).get()
            #expect(stub.calls.count == 7)
        }
    }

    @Test("A trial that fails begins another pause")
    func failedTrial() async throws {
        let (clock, status) = (SetClock(), Status(500))
        try await AgentexProvider.withStub { _ in
            .init(status.value, "{}")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider, now: clock.now)
            for number in 1...5 { _ = await mode.principal(for: credentials(number)) }
            clock.advance(by: .seconds(5))
            #expect(await mode.principal(for: credentials(6)) == .failure(Self.failed))
            status.value = 200
            #expect(await mode.principal(for: credentials(6)) == .failure(Self.paused))
            clock.advance(by: .seconds(5))
            _ = try await mode.principal(for: credentials(6)).get()
            #expect(stub.calls.count == 7)
        }
    }

    @Test("What was asked before a pause does not end it, however well it goes")
    func lateAnswer() async throws {
        let (clock, status, early, trial) = (SetClock(), Status(500), Gate(), Gate())
        try await AgentexProvider.withStub { call in
            switch call["x-number"] {
            case "0":
                await early.pass()
                return .init(200, "{}")
            case "6":
                await trial.pass()
                return .init(500, "{}")
            default:
                return .init(status.value, "{}")
            }
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider, now: clock.now)
            async let first = mode.principal(for: credentials(0))
            try await eventually { stub.calls.count >= 1 }
            for number in 1...5 { _ = await mode.principal(for: credentials(number)) }
            clock.advance(by: .seconds(5))
            async let second = mode.principal(for: credentials(6))
            try await eventually { stub.calls.count >= 7 }
            early.open()
            _ = try await first.get()
            status.value = 200
            #expect(await mode.principal(for: credentials(7)) == .failure(Self.paused))
            trial.open()
            #expect(await second == .failure(Self.failed))
            #expect(await mode.principal(for: credentials(7)) == .failure(Self.paused))
            #expect(stub.calls.count == 7)
        }
    }

    @Test(
        "Refusals are answers: they never stop the asking, and end a row of failures", arguments: [401, 403, 404, 429])
    func refusals(_ refusal: Int) async throws {
        let status = Status(refusal)
        try await AgentexProvider.withStub { _ in
            .init(status.value, "{}")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            let refused = AuthenticationFailure("the Agentex provider refused")
            for number in 1...10 { #expect(await mode.principal(for: credentials(number)) == .failure(refused)) }
            for _ in 1...3 {
                status.value = 500
                for number in 1...4 { #expect(await mode.principal(for: credentials(number)) == .failure(Self.failed)) }
                status.value = refusal
                #expect(await mode.principal(for: credentials(1)) == .failure(refused))
            }
            #expect(stub.calls.count == 25)
        }
    }

    @Test("A known caller is let in during a pause, and threads are asked about although authentication fails")
    func separate() async throws {
        let status = Status(200)
        try await AgentexProvider.withStub { call in
            .init(call.path == "/v1/authn" ? status.value : 200, "{}")
        } _: { provider, _ in
            let (mode, authorizer) = (AgentexMode(provider: provider), AgentexAuthorizer(provider: provider))
            let known = try await mode.principal(for: credentials(0)).get()
            status.value = 500
            for number in 1...5 { _ = await mode.principal(for: credentials(number)) }
            #expect(await mode.principal(for: credentials(1)) == .failure(Self.paused))
            #expect(mode.principalAtOnce(for: credentials(0)) == .success(known))
            #expect(await authorizer.check(.emptyObject, thread: "t", .read) == .allowed)
        }
    }

    @Test("Checks of threads pause too: 503 without asking")
    func checks() async throws {
        let clock = SetClock()
        try await AgentexProvider.withStub { _ in
            .init(503, "{}")
        } _: { provider, stub in
            let authorizer = AgentexAuthorizer(provider: provider, now: clock.now)
            let failing = ThreadRefusal(status: 503, message: "Service temporarily unavailable")
            let silent = ThreadRefusal(status: 503, message: "Service unreachable or timed out")
            for _ in 1...5 { #expect(await authorizer.check(.emptyObject, thread: "t", .update) == .refused(failing)) }
            #expect(await authorizer.check(.emptyObject, thread: "t", .update) == .refused(silent))
            #expect(stub.calls.count == 5)
            clock.advance(by: .seconds(5))
            #expect(await authorizer.check(.emptyObject, thread: "t", .update) == .refused(failing))
            #expect(stub.calls.count == 6)
        }
    }

    @Test("Those who ask for the same at the same time share one call")
    @MainActor
    func singleFlight() async throws {
        let gate = Gate()
        try await AgentexProvider.withStub { _ in
            await gate.pass()
            // Not remembered: whoever did not share the call would have to ask.
            return .init(200, "null")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            // On one actor each runs until it waits, and in this order.
            let callers = (0..<20).map { _ in
                Task { @MainActor in await mode.principal(for: Credentials([("authorization", "Bearer a")])) }
            }
            let opening = Task { @MainActor in gate.open() }
            await opening.value
            for caller in callers {
                let principal = try await caller.value.get()
                #expect(principal.providerPrincipal?.bytes == Array("null".utf8))
            }
            #expect(stub.calls.count == 1)
        }
    }

    @Test("Who asks while as many calls are under way as may be is refused at once")
    func crowd() async throws {
        let gate = Gate()
        var limits = AgentexLimits.patient
        limits.authentications = 2
        try await AgentexProvider.withStub(limits: limits) { call in
            if call.path == "/v1/authn" { await gate.pass() }
            return .init(200, "{}")
        } _: { provider, stub in
            let (mode, authorizer) = (AgentexMode(provider: provider), AgentexAuthorizer(provider: provider))
            async let first = mode.principal(for: credentials(1))
            async let second = mode.principal(for: credentials(2))
            try await eventually { stub.calls.count >= 2 }
            for number in 3...9 { #expect(await mode.principal(for: credentials(number)) == .failure(Self.crowded)) }
            // Strangers leave connections to those who are known.
            #expect(await authorizer.check(.emptyObject, thread: "t", .read) == .allowed)
            gate.open()
            _ = try await (first.get(), second.get())
            _ = try await mode.principal(for: credentials(3)).get()
            #expect(stub.calls.count == 4)
        }
    }

    @Test("Whoever gives up waiting takes nothing from those who share the call")
    @MainActor
    func cancellation() async throws {
        let gate = Gate()
        try await AgentexProvider.withStub { _ in
            await gate.pass()
            return .init(200, "{}")
        } _: { provider, stub in
            let mode = AgentexMode(provider: provider)
            let first = Task { @MainActor in await mode.principal(for: credentials(1)) }
            let second = Task { @MainActor in await mode.principal(for: credentials(1)) }
            await Task { @MainActor in first.cancel() }.value
            gate.open()
            _ = try await second.value.get()
            _ = await first.value
            #expect(stub.calls.count == 1)
        }
    }
}
