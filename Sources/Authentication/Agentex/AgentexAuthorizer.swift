package import Checkpoints
package import JSON
import NIOCore
import NIOHTTP1

/// Asks an Agentex provider whether a caller may do something to a thread.
///
/// It is asked for every request: nothing is remembered.
package struct AgentexAuthorizer: Sendable {
    private enum Verdict {
        case allowed
        /// 403, in the provider's words where it has some.
        case denied(String?)
        case other(ThreadRefusal)
    }

    private let call: AgentexCall

    package init(
        provider: AgentexProvider,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        call = AgentexCall("/v1/authz/check", of: provider, atOnce: provider.limits.checks, now: now)
    }

    /// Whether the caller that `principal` describes may do that to the thread.
    ///
    /// Who may not read a thread is told that there is none, whatever was asked for; so a denied update or delete takes a
    /// second call. Whatever is not a clear yes is a refusal.
    package func check(
        _ principal: JSONText,
        thread: Identifier,
        _ operation: ThreadOperation
    ) async -> ThreadDecision {
        switch await verdict(principal, thread, operation) {
        case .allowed:
            return .allowed
        case .other(let refusal):
            return .refused(refusal)
        case .denied where operation == .read:
            return .notFound(thread)
        case .denied(let words):
            return switch await verdict(principal, thread, .read) {
            case .allowed: words.map { .forbidden($0) } ?? .forbidden()
            case .denied: .notFound(thread)
            case .other(let refusal): .refused(refusal)
            }
        }
    }

    private func verdict(
        _ principal: JSONText,
        _ thread: Identifier,
        _ operation: ThreadOperation
    ) async -> Verdict {
        let body = Self.question(principal, thread, operation)
        do {
            let answer = try await call.ask(headers: ["content-type": "application/json"], body: body).get()
            return Self.verdict(on: answer)
        } catch {
            return .other(.unreachable)
        }
    }

    private static func question(
        _ principal: JSONText,
        _ thread: Identifier,
        _ operation: ThreadOperation
    ) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: principal.bytes.count + thread.byteCount + 96)
        writer.raw("{\"principal\":")
        writer.raw(principal)
        writer.raw(",\"resource\":{\"type\":\"task\",\"selector\":")
        writer.string(thread.text)
        writer.raw("},\"operation\":")
        writer.string(operation.rawValue)
        writer.raw("}")
        return writer.bytes
    }

    private static func verdict(on answer: AgentexAnswer) -> Verdict {
        switch answer {
        case .answered(200, let body): isJSON(body) ? .allowed : .other(.notUnderstood)
        case .answered(403, let body): .denied(words(in: body))
        case .answered(401, let body):
            .other(
                ThreadRefusal(
                    status: 401,
                    message: words(in: body) ?? "Unauthorized – missing or invalid credentials"
                )
            )
        case .answered(502, _): .other(ThreadRefusal(status: 502, message: "Bad gateway"))
        case .answered(503, _): .other(ThreadRefusal(status: 503, message: "Service temporarily unavailable"))
        case .answered(let status, _) where status >= 500:
            .other(ThreadRefusal(status: 500, message: "Server error (status \(status))"))
        case .answered(let status, _):
            .other(ThreadRefusal(status: status, message: "Unexpected response status \(status)"))
        case .tooLarge: .other(.notUnderstood)
        case .failed, .notAsked: .other(.unreachable)
        }
    }

    private static func isJSON(_ body: [UInt8]) -> Bool {
        // Only whether it is any: the status has said yes.
        (try? JSONText(parsing: body, limits: .agentexAnswer)) != nil
    }
}

extension ThreadRefusal {
    fileprivate static let notUnderstood = ThreadRefusal(status: 500, message: "Failed to parse response")
    fileprivate static let unreachable = ThreadRefusal(status: 503, message: "Service unreachable or timed out")
}

// MARK: - The provider's words

extension AgentexAuthorizer {
    /// What a refusal says of its reason, for the client: the first of the usual members, the only member, or the
    /// beginning of what is no JSON.
    private static func words(in body: [UInt8]) -> String? {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: body, limits: .agentexAnswer)
        } catch {
            let text = String(decoding: body, as: UTF8.self).unicodeScalars.prefix(200)
            return text.isEmpty ? nil : String(String.UnicodeScalarView(text))
        }
        for name in ["message", "error", "detail", "description"] {
            if let found = value[name] { return words(of: found) }
        }
        guard case .object(let members) = value, members.count == 1 else { return nil }
        return members.first.flatMap { words(of: $0.value) }
    }

    /// A string's text, and the JSON of anything else.
    private static func words(of value: JSONValue) -> String? {
        let bytes = if case .string(let string) = value { string.wtf8 } else { value.text.bytes }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }
}
