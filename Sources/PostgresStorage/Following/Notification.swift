import Checkpoints
import JSON

/// What servers tell each other over PostgreSQL's `NOTIFY`, as JSON.
enum Notification {
    /// A server follows these threads.
    case follows(server: String, threads: [UInt64])
    /// A server has begun to listen, and has to be told what is followed.
    case hello(server: String)
    /// A change that was committed with it.
    case change(server: String, ThreadChange)

    /// What one may have; PostgreSQL takes less than 8,000 bytes.
    static let mostBytes = 7_900
    /// Threads that one announcement has room for.
    static let mostThreads = 300

    /// Nil for what no server of this kind has sent: another's may be newer.
    init?(_ text: String) {
        // As above.
        guard let value = try? JSONValue(parsing: Array(text.utf8)), let server = value["server"]?.string else {
            return nil
        }
        if case .array(let hashes)? = value["follows"] {
            let threads = hashes.compactMap { hash in hash.string.flatMap { UInt64($0, radix: 16) } }
            self = .follows(server: server, threads: threads)
        } else if value["hello"] != nil {
            self = .hello(server: server)
        } else if let thread = value["thread"]?.string, let effect = ThreadChange.Effect(value) {
            self = .change(server: server, ThreadChange(ThreadKey(storedID: Identifier(thread)), effect))
        } else {
            return nil
        }
    }

    /// A change that is too long becomes one that has to be read.
    var text: [UInt8] {
        switch self {
        case .follows(let server, let threads):
            let hashes = threads.map { JSONValue.string(JSONString(String($0, radix: 16))) }
            return Self.object(server, [JSONMember(name: "follows", value: .array(hashes))])
        case .hello(let server): return Self.object(server, [JSONMember(name: "hello", value: true)])
        case .change(let server, let change):
            let thread = JSONMember(name: "thread", value: .string(change.thread.storedID.text))
            let bytes = Self.object(server, [thread] + change.effect.members)
            guard bytes.count > Self.mostBytes else { return bytes }
            return Self.object(server, [thread] + ThreadChange.Effect.missed.members)
        }
    }

    private static func object(_ server: String, _ members: [JSONMember]) -> [UInt8] {
        JSONValue.object([JSONMember(name: "server", value: .string(server))] + members).text.bytes
    }
}

extension ThreadChange.Effect {
    private static let names: [(name: String, effect: ThreadChange.Effect)] = [
        ("pruned", .pruned), ("deleted", .deleted), ("replaced", .replaced), ("missed", .missed),
    ]

    fileprivate init?(_ value: JSONValue) {
        if let name = value["effect"]?.string {
            guard let known = Self.names.first(where: { $0.name == name }) else { return nil }
            self = known.effect
            return
        }
        guard let namespace = value["ns"]?.string, let id = value["id"]?.string else { return nil }
        let place = CheckpointPlace(namespace: Identifier(namespace), id: Identifier(id))
        guard case .array(let writes)? = value["writes"] else {
            self = .checkpoint(
                CheckpointStep(
                    place: place,
                    parentID: value["parent"]?.string.map { Identifier($0) },
                    source: value["source"]?.string,
                    step: value["step"]?.int
                )
            )
            return
        }
        self = .writes(
            place,
            writes.compactMap { write in
                guard case .array(let parts) = write, parts.count == 3, let task = parts[0].string,
                    case .number(let index) = parts[1], let channel = parts[2].string
                else { return nil }
                return WrittenChannel(
                    taskID: Identifier(task),
                    index: Int32(truncatingIfNeeded: index.int ?? 0),
                    channel: Identifier(channel)
                )
            }
        )
    }

    fileprivate var members: [JSONMember] {
        switch self {
        case .checkpoint(let step):
            return Self.members(of: step.place) + [
                JSONMember(name: "parent", value: .optional(step.parentID?.text)),
                JSONMember(name: "source", value: .optional(step.source)),
                JSONMember(name: "step", value: step.step.map { .number(JSONNumber($0)) } ?? .null),
            ]
        case .writes(let place, let writes):
            let rows = writes.map { write in
                JSONValue.array([
                    .string(write.taskID.text), .number(JSONNumber(Int(write.index))), .string(write.channel.text),
                ])
            }
            return Self.members(of: place) + [JSONMember(name: "writes", value: .array(rows))]
        case .pruned, .deleted, .replaced, .missed:
            let name = Self.names.first { $0.effect == self }?.name ?? "missed"
            return [JSONMember(name: "effect", value: .string(name))]
        }
    }

    private static func members(of place: CheckpointPlace) -> [JSONMember] {
        [
            JSONMember(name: "ns", value: .string(place.namespace.text)),
            JSONMember(name: "id", value: .string(place.id.text)),
        ]
    }
}

extension JSONValue {
    fileprivate static func string(_ text: String) -> JSONValue { .string(JSONString(text)) }

    fileprivate static func optional(_ text: String?) -> JSONValue { text.map { string($0) } ?? .null }
}
