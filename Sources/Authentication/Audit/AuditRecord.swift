package import Checkpoints
import JSON

/// What the audit log says of one event.
///
/// Never a payload, a header or a credential.
package struct AuditRecord: Sendable {
    package enum Event: String, Sendable {
        case authentication
        case access
        case deleteThread = "delete-thread"
        case deleteForRuns = "delete-for-runs"
        case prune
        case copyThread = "copy-thread"
        /// A look at stored content in the inspector.
        case inspect
        case export
        case keyCreated = "key-created"
        case keyRevoked = "key-revoked"
        case rekey
        case backup
        case restore
        /// What is set for a thread.
        case setRetention = "set-retention"
        /// What goes by itself.
        case retention
    }

    package enum Outcome: String, Sendable {
        case failed
        case denied
        /// What is destructive or copies is announced first: if this cannot be written, it does not happen.
        case begun
        case done
    }

    package let event: Event
    package let outcome: Outcome
    /// Who did it; nil for somebody who could not say who they are.
    package var principal: Principal?
    /// The client's address, or `command line`.
    package var source: String
    /// As in the request's log line and in its answer; nil for a command.
    package var requestID: String?
    /// Ids of the threads it is about, of which the first 100 are written; empty when it is about none, or about all.
    package var threads: [Identifier]
    /// A few plain words.
    package var reason: String?

    package init(
        _ event: Event,
        _ outcome: Outcome,
        principal: Principal? = nil,
        source: String,
        requestID: String? = nil,
        threads: [Identifier] = [],
        reason: String? = nil
    ) {
        self.event = event
        self.outcome = outcome
        self.principal = principal
        self.source = source
        self.requestID = requestID
        self.threads = threads
        self.reason = reason
    }

    /// Threads that are named in a line.
    private static let namedThreads = 100

    /// The record as one line of JSON.
    func line(at time: String) -> [UInt8] {
        var members = [
            JSONMember(name: "time", value: .string(JSONString(time))),
            JSONMember(name: "event", value: .string(JSONString(event.rawValue))),
            JSONMember(name: "outcome", value: .string(JSONString(outcome.rawValue))),
            JSONMember(name: "source", value: .string(JSONString(source))),
        ]
        func add(_ name: JSONString, _ text: String?) {
            if let text { members.append(JSONMember(name: name, value: .string(JSONString(text)))) }
        }
        add("principal", principal?.name)
        add("tenant", principal?.tenant.name.text)
        add("request_id", requestID)
        add("reason", reason)
        if !threads.isEmpty {
            let named = threads.prefix(Self.namedThreads).map { JSONValue.string(JSONString($0.text)) }
            members.append(JSONMember(name: "threads", value: .array(named)))
            members.append(JSONMember(name: "thread_count", value: .number(JSONNumber(threads.count))))
        }
        var writer = JSONWriter()
        writer.value(.object(members))
        return writer.bytes + [UInt8(ascii: "\n")]
    }
}
