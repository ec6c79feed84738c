import Checkpoints
import JSON

/// A text in the format of server-sent events, as far as it is written.
///
/// https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
struct EventText {
    private(set) var bytes: [UInt8] = []

    /// A comment: it tells nothing, and shows that both ends are there.
    static let heartbeat = Array(":\n\n".utf8)

    /// How long a client waits before it connects again.
    mutating func add(retryAfter delay: Duration) {
        bytes += Array("retry: \(Int(delay / .milliseconds(1)))\n\n".utf8)
    }

    /// `id` is what the client sends to go on behind this event; without one it keeps the one before.
    mutating func add(_ effect: ThreadChange.Effect, id: String?) {
        switch effect {
        case .checkpoint(let step): add("checkpoint", .step(step), id: id)
        case .writes(let place, let written): add("writes", .written(written, after: place), id: id)
        case .pruned: add("pruned", .empty, id: id)
        case .deleted: add("deleted", .empty, id: id)
        case .missed, .replaced: add("missed", .empty, id: id)
        }
    }

    mutating func add(_ thread: ThreadSummary, id: String?) {
        add("thread", .thread(thread), id: id)
    }

    /// JSON has no line break outside of its strings, where it is escaped: the data is one line.
    private mutating func add(_ name: StaticString, _ data: JSONWriter, id: String?) {
        if let id { bytes += Array("id: \(id)\n".utf8) }
        bytes += Array("event: \(name)\ndata: ".utf8)
        bytes += data.bytes
        bytes += Array("\n\n".utf8)
    }
}

extension JSONWriter {
    fileprivate static var empty: JSONWriter {
        var writer = JSONWriter()
        writer.raw("{}")
        return writer
    }

    fileprivate static func step(_ step: CheckpointStep) -> JSONWriter {
        var writer = JSONWriter()
        writer.place(step.place)
        writer.raw(",\"parent_checkpoint_id\":")
        writer.optionalString(step.parentID?.text)
        writer.raw(",\"source\":")
        writer.optionalString(step.source)
        writer.raw(",\"step\":")
        if let number = step.step { writer.integer(number) } else { writer.null() }
        writer.raw("}")
        return writer
    }

    /// By task, in the order in which the tasks come first.
    fileprivate static func written(_ written: [WrittenChannel], after place: CheckpointPlace) -> JSONWriter {
        var tasks: [(id: Identifier, channels: [Identifier], count: Int)] = []
        var places: [Identifier: Int] = [:]
        for write in written {
            let place = places[write.taskID] ?? tasks.count
            if place == tasks.count { tasks.append((write.taskID, [], 0)) }
            places[write.taskID] = place
            tasks[place].count += 1
            if !tasks[place].channels.contains(write.channel) { tasks[place].channels.append(write.channel) }
        }
        var writer = JSONWriter()
        writer.place(place)
        writer.raw(",\"tasks\":")
        writer.array(tasks) { writer, task in
            writer.raw("{\"task_id\":")
            writer.string(task.id.text)
            writer.raw(",\"channels\":")
            writer.array(task.channels) { $0.string($1.text) }
            writer.raw(",\"writes\":")
            writer.integer(task.count)
            writer.raw("}")
        }
        writer.raw(",\"interrupt\":")
        writer.bool(written.contains(where: \.isInterrupt))
        writer.raw("}")
        return writer
    }

    /// Without the closing brace.
    private mutating func place(_ place: CheckpointPlace) {
        raw("{\"checkpoint_ns\":")
        string(place.namespace.text)
        raw(",\"checkpoint_id\":")
        string(place.id.text)
    }
}
