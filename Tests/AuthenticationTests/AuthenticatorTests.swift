import Authentication
import Checkpoints
import HTTPTypes
import Synchronization
import Testing

@Suite
struct AuthenticatorTests {
    /// A mode that knows one word in a header of its own, and counts how often it was asked.
    private final class Word: AuthenticationMode {
        let name: String
        let waits: Bool
        let asked = Atomic(0)

        init(_ name: String, waits: Bool = false) {
            self.name = name
            self.waits = waits
        }

        func recognises(_ credentials: Credentials) -> Bool {
            HTTPField.Name(name).flatMap { credentials.headers[$0] } != nil
        }

        func principalAtOnce(for credentials: Credentials) -> Result<Principal, AuthenticationFailure>? {
            waits ? nil : answer(credentials)
        }

        func principal(for credentials: Credentials) async -> Result<Principal, AuthenticationFailure> {
            asked.wrappingAdd(1, ordering: .relaxed)
            return answer(credentials)
        }

        private func answer(_ credentials: Credentials) -> Result<Principal, AuthenticationFailure> {
            guard HTTPField.Name(name).flatMap({ credentials.headers[$0] }) == "good" else {
                return .failure(AuthenticationFailure("the word is wrong"))
            }
            return .success(Principal(name: name, tenant: .default, scopes: [.read]))
        }
    }

    private func credentials(_ headers: [String: String], source: String = "192.0.2.1") -> Credentials {
        var fields = HTTPFields()
        for (name, value) in headers { HTTPField.Name(name).map { fields[$0] = value } }
        return Credentials(headers: fields, source: source)
    }

    private func outcome(
        _ authenticator: Authenticator, _ headers: [String: String], source: String = "a"
    ) async -> String {
        switch await authenticator.authenticate(credentials(headers, source: source)) {
        case .accepted(let principal): principal.name
        case .refused(let failure, let mode): "\(mode ?? "nobody"): \(failure.reason)"
        case .throttled: "throttled"
        }
    }

    @Test("The first mode whose credential is there decides, and a bad one never falls through")
    func order() async {
        let authenticator = Authenticator([Word("x-a"), Word("x-b", waits: true)])
        #expect(await outcome(authenticator, ["x-a": "good", "x-b": "bad"]) == "x-a")
        #expect(await outcome(authenticator, ["x-a": "bad", "x-b": "good"]) == "x-a: the word is wrong")
        #expect(await outcome(authenticator, ["x-b": "good"]) == "x-b")
        #expect(await outcome(authenticator, [:]) == "nobody: no credential was sent")
        #expect(authenticator.description == "x-a, x-b")
        #expect(authenticator.authenticateAtOnce(credentials(["x-b": "good"])) == nil)
        #expect(throws: AuthenticationFailure.self) { try authenticator.authenticateAtOnce(credentials([:]))?.get() }
    }

    @Test(
        "A source that fails too often is throttled; nobody is asked for it, and what is known at once goes on working")
    func throttle() async {
        let slow = Word("x-b", waits: true)
        let authenticator = Authenticator([Word("x-a"), slow])
        for _ in 0..<Int(Authenticator.failures.burst) {
            #expect(await outcome(authenticator, ["x-a": "bad"]) == "x-a: the word is wrong")
        }
        #expect(await outcome(authenticator, ["x-a": "bad"]) == "throttled")
        #expect(await outcome(authenticator, [:]) == "throttled")
        #expect(await outcome(authenticator, ["x-b": "good"]) == "throttled")
        #expect(slow.asked.load(ordering: .relaxed) == 0)
        #expect(await outcome(authenticator, ["x-a": "good"]) == "x-a")
        #expect(await outcome(authenticator, ["x-b": "good"], source: "b") == "x-b")
    }
}
