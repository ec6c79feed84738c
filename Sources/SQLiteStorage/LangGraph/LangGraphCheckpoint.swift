package import JSON
package import Serde

/// A checkpoint as LangGraph's `SqliteSaver` keeps it, values and all, taken apart as its `PostgresSaver` and the Agentex
/// client do: what JSON has a form for stays in the document, every other channel value is a blob.
package struct LangGraphCheckpoint {
    /// The serialised value of a channel.
    package struct Value: Equatable {
        package let channel: String
        package let type: String
        package let bytes: [UInt8]

        package init(channel: String, type: String, bytes: [UInt8]) {
            self.channel = channel
            self.type = type
            self.bytes = bytes
        }
    }

    /// Why it cannot be taken apart.
    package typealias Failure = MessagePackReader.Failure

    package let document: JSONText
    package let values: [Value]

    /// Where LangGraph keeps messages to tasks since its version 4 of checkpoints.
    private static let tasksChannel = "__pregel_tasks"
    /// `_DeltaSnapshot`: a blob, and `true` in the document.
    private static let snapshotCode: Int8 = 7

    /// `type` is the tag that the serialiser gave.
    package init(type: String?, bytes: [UInt8]) throws(Failure) {
        switch type {
        case "msgpack": self = try Self.fromMessagePack(bytes)
        case "json": self = try Self.fromJSON(bytes)
        default: throw Failure(detail: "it is serialised as '\(type ?? "")', not as msgpack or json")
        }
    }

    private init(_ members: [(name: String, text: JSONText)], _ values: [Value]) {
        var writer = JSONWriter()
        writer.raw("{")
        for (index, member) in members.enumerated() {
            if index > 0 { writer.raw(",") }
            writer.string(member.name)
            writer.raw(":")
            writer.raw(member.text)
        }
        writer.raw("}")
        document = JSONText(trusted: writer.bytes)
        self.values = values
    }

    // MARK: - msgpack

    private static func fromMessagePack(_ bytes: [UInt8]) throws(Failure) -> LangGraphCheckpoint {
        var reader = MessagePackReader(bytes)
        guard case .map(let count) = try reader.next() else { throw Failure(detail: "it is not a map") }
        var members: [(name: String, text: JSONText)] = []
        var values: [Value] = []
        for _ in 0..<count {
            let name = try reader.key()
            var field = reader
            let range = try reader.skip()
            if name == "channel_values" {
                let (inline, blobs) = try channelValues(&field, bytes)
                members.append((name, inline))
                values += blobs
            } else if name == "pending_sends", let sends = try sends(field, bytes[range]) {
                members.append((name, JSONText(trusted: Array("[]".utf8))))
                values.append(sends)
            } else {
                var writer = JSONWriter()
                do throws(Failure) {
                    try field.writeJSON(to: &writer)
                } catch {
                    throw Failure(detail: "in '\(name)': \(error.detail)")
                }
                members.append((name, JSONText(trusted: writer.bytes)))
            }
        }
        guard reader.isAtEnd else { throw Failure(detail: "something follows its end") }
        if values.contains(where: { $0.channel == tasksChannel && $0.type == "msgpack" }) {
            try addTasksVersion(to: &members)
        }
        return LangGraphCheckpoint(members, values)
    }

    private static func channelValues(
        _ reader: inout MessagePackReader,
        _ bytes: [UInt8]
    ) throws(Failure) -> (inline: JSONText, blobs: [Value]) {
        var inline: [(name: String, text: JSONText)] = []
        var blobs: [Value] = []
        switch try reader.next() {
        case .null: break
        case .map(let count):
            for _ in 0..<count {
                let channel = try reader.key()
                var value = reader
                let range = try reader.skip()
                var head = value
                var writer = JSONWriter()
                switch try head.next() {
                case .null, .bool, .integer, .unsigned, .text:
                    try value.writeJSON(to: &writer)
                    inline.append((channel, JSONText(trusted: writer.bytes)))
                    continue
                case .float(let number) where number.isFinite:
                    try value.writeJSON(to: &writer)
                    inline.append((channel, JSONText(trusted: writer.bytes)))
                    continue
                case .extended(snapshotCode, _):
                    inline.append((channel, JSONValue.bool(true).text))
                default: break
                }
                blobs.append(Value(channel: channel, type: "msgpack", bytes: Array(bytes[range])))
            }
        default: throw Failure(detail: "its 'channel_values' is not a map")
        }
        return (LangGraphCheckpoint(inline, []).document, blobs)
    }

    /// Messages to tasks as checkpoints before version 4 have them, if JSON has no form for them: LangGraph itself moves
    /// them into a channel when it reads such a checkpoint.
    private static func sends(_ field: MessagePackReader, _ bytes: ArraySlice<UInt8>) throws(Failure) -> Value? {
        var field = field
        var writer = JSONWriter()
        do throws(Failure) {
            try field.writeJSON(to: &writer)
            return nil
        } catch {
            return Value(channel: tasksChannel, type: "msgpack", bytes: Array(bytes))
        }
    }

    /// The channel gets the greatest version there is, as LangGraph gives it.
    private static func addTasksVersion(to members: inout [(name: String, text: JSONText)]) throws(Failure) {
        guard let place = members.firstIndex(where: { $0.name == "channel_versions" }) else {
            throw Failure(detail: "it has messages to tasks and no 'channel_versions'")
        }
        let versions: JSONValue
        do throws(JSONError) {
            versions = try members[place].text.value
        } catch {
            throw Failure(detail: "its 'channel_versions' cannot be read")
        }
        guard case .object(let named) = versions, versions[tasksChannel] == nil else { return }
        guard let greatest = named.map(\.value).max(by: isLower) else {
            throw Failure(detail: "it has messages to tasks and no versions")
        }
        let added = JSONMember(name: JSONString(tasksChannel), value: greatest)
        members[place].text = JSONValue.object(named + [added]).text
    }

    private static func isLower(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.string(let left), .string(let right)): left.wtf8.lexicographicallyPrecedes(right.wtf8)
        case (.number(let left), .number(let right)): left.double < right.double
        default: false
        }
    }

    // MARK: - JSON

    /// As the first versions of LangGraph wrote it.
    private static func fromJSON(_ bytes: [UInt8]) throws(Failure) -> LangGraphCheckpoint {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Failure(detail: "it is not JSON: \(error)")
        }
        guard case .object(var members) = value else { throw Failure(detail: "it is not an object") }
        var values: [Value] = []
        if let place = members.lastIndex(where: { $0.name == "channel_values" }),
            case .object(let channels) = members[place].value
        {
            var inline: [JSONMember] = []
            for member in channels {
                switch member.value {
                case .null, .bool, .number, .string: inline.append(member)
                case .array, .object:
                    guard let channel = member.name.string else { throw Failure(detail: "a channel's name is no text") }
                    values.append(Value(channel: channel, type: "json", bytes: member.value.text.bytes))
                }
            }
            members[place] = JSONMember(name: members[place].name, value: .object(inline))
        }
        return LangGraphCheckpoint(document: JSONValue.object(members).text, values: values)
    }

    private init(document: JSONText, values: [Value]) {
        self.document = document
        self.values = values
    }
}
