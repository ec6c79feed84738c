package import JSON

/// Something that was committed to a thread.
///
/// `docs/events.md` says what each kind is.
public struct ThreadEvent: Sendable, Equatable {
    /// Such as `checkpoint` or `writes`; a newer server may have others.
    public let name: String
    /// The id to go on behind, the last one that came; nil before the first.
    public let id: String?
    package let data: JSONValue

    /// What the event says: the text of one JSON object.
    public var json: String { String(decoding: data.text.bytes, as: UTF8.self) }

    /// The checkpoint that it is about; nil where it is about the whole thread.
    public var checkpointID: String? { text("checkpoint_id") }

    /// The namespace of that checkpoint.
    public var namespace: String? { text("checkpoint_ns") }

    private func text(_ name: String) -> String? {
        guard case .string(let text)? = data[name] else { return nil }
        return text.string
    }
}

/// Takes a stream of server-sent events apart, line by line.
struct EventParser {
    private var bytes: [UInt8] = []
    private var id: String?
    private var name = ""
    private var data: [UInt8]?

    /// What has come to its end with these bytes.
    ///
    /// Throws for data that is not JSON.
    mutating func take(_ more: some Sequence<UInt8>) throws -> [ThreadEvent] {
        var events: [ThreadEvent] = []
        for byte in more {
            guard byte == UInt8(ascii: "\n") else {
                bytes.append(byte)
                continue
            }
            if let event = try takeLine() { events.append(event) }
        }
        return events
    }

    private mutating func takeLine() throws -> ThreadEvent? {
        defer { bytes.removeAll(keepingCapacity: true) }
        if bytes.isEmpty {
            defer { (name, data) = ("", nil) }
            return try data.map { ThreadEvent(name: name, id: id, data: try JSONValue(parsing: $0)) }
        }
        let line = bytes.split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
        guard line.count == 2, let field = line.first, !field.isEmpty else { return nil }
        let value = line[1].first == UInt8(ascii: " ") ? line[1].dropFirst() : line[1]
        switch String(decoding: field, as: UTF8.self) {
        case "id": id = String(decoding: value, as: UTF8.self)
        case "event": name = String(decoding: value, as: UTF8.self)
        case "data": data = (data ?? []) + value
        default: break
        }
        return nil
    }
}
