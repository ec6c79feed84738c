import Checkpoints
import Crypto
import JSON

/// Whom the provider named.
struct AgentexPrincipal: Sendable {
    let principal: Principal
    /// Not what has a secret in it, and not null.
    let mayBeRemembered: Bool

    /// 200 with JSON names somebody; everything else is a failure.
    static func read(_ answer: AgentexAnswer) -> Result<AgentexPrincipal, AuthenticationFailure> {
        switch answer {
        case .answered(200, let body): named(by: body)
        case .answered(500..., _): .failure(.providerNotAsked("it failed"))
        case .answered: .failure(.providerRefused)
        case .tooLarge: .failure(.providerNotAsked("its answer is too large"))
        case .failed(let reason), .notAsked(let reason): .failure(.providerNotAsked(reason))
        }
    }

    private static func named(by body: [UInt8]) -> Result<AgentexPrincipal, AuthenticationFailure> {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body, limits: .agentexAnswer)
        } catch {
            return .failure(.providerNotAsked("its answer is not JSON"))
        }
        let digits = SHA256.hash(data: body).prefix(6).map { byte in
            (byte < 0x10 ? "0" : "") + String(byte, radix: 16)
        }
        let principal = Principal(
            name: "agentex:" + digits.joined(),
            tenant: .default,
            // What it may do to a thread, the provider says thread by thread.
            scopes: Set(Scope.allCases).subtracting([.admin]),
            providerPrincipal: JSONText(trusted: body)
        )
        return .success(AgentexPrincipal(principal: principal, mayBeRemembered: mayBeRemembered(value)))
    }

    private static func mayBeRemembered(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .object(let members): !members.contains { $0.name == "api_key" && isTruthy($0.value) }
        case .bool, .number, .string, .array: true
        }
    }

    /// As Python sees it.
    private static func isTruthy(_ value: JSONValue) -> Bool {
        switch value {
        case .null: false
        case .bool(let bool): bool
        case .number(let number): number.double != 0
        case .string(let string): !string.wtf8.isEmpty
        case .array(let elements): !elements.isEmpty
        case .object(let members): !members.isEmpty
        }
    }
}

extension AuthenticationFailure {
    static let providerRefused = AuthenticationFailure("the Agentex provider refused", .refused)

    static let unsendable = AuthenticationFailure("a header has a control character")

    /// Its reason begins with `the Agentex provider could not be asked`: the caller may be whoever it says.
    static func providerNotAsked(_ reason: String) -> AuthenticationFailure {
        AuthenticationFailure("the Agentex provider could not be asked: \(reason)", .unavailable)
    }
}
