import JSON
import Serde

/// A value on one line, for a person; it stops when there is no more room.
struct InlineText {
    private(set) var text = ""
    private var left: Int
    private let isFull: Bool

    /// Nil when it does not fit.
    static func of(_ value: DecodedValue, room: Int, isFull: Bool) -> String? {
        var writer = InlineText(room, isFull)
        writer.write(value)
        return writer.left < 0 ? nil : writer.text
    }

    /// The beginning, with a mark, when it does not fit.
    static func beginning(of value: DecodedValue, room: Int, isFull: Bool) -> String {
        var writer = InlineText(room, isFull)
        writer.write(value)
        return TerminalText.cut(writer.text, to: room)
    }

    private init(_ room: Int, _ isFull: Bool) {
        left = room
        self.isFull = isFull
    }

    private mutating func put(_ piece: String) {
        guard left >= 0 else { return }
        text += piece
        left -= TerminalText.width(piece)
    }

    private mutating func write(_ value: DecodedValue) {
        guard left >= 0 else { return }
        switch value {
        case .null: put("null")
        case .bool(let value): put(value ? "true" : "false")
        case .number(let number): put(number.text)
        case .notFinite(let name): put(name)
        case .text:
            // No more than has room is looked at: it may be megabytes.
            let string = value.string ?? ""
            put(TerminalText.quoted(string.utf8.count > left * 4 ? String(string.prefix(left + 1)) : string))
        case .bytes(let bytes): put(Self.bytes(bytes))
        case .array(let elements): list(elements, "[", "]")
        case .map(let entries): map(entries)
        case .object(let type, let content): object(type, content)
        case .secret(let type, _): put("\(Self.name(of: type, isFull))(\(DecodedValue.mask.string ?? ""))")
        case .numbers(let array): put(array.line)
        case .snapshot(let value):
            put("snapshot ")
            write(value)
        case .unknown(let code, let bytes): put("<extension \(code): \(Self.bytes(bytes))>")
        case .opaque(let value): put(Self.line(of: value))
        case .cut(let what): put("<\(what)>")
        }
    }

    private mutating func list(_ elements: [DecodedValue], _ open: String, _ close: String) {
        put(open)
        for (index, element) in elements.enumerated() where left >= 0 {
            if index > 0 { put(", ") }
            write(element)
        }
        put(close)
    }

    private mutating func map(_ entries: [DecodedEntry]) {
        put("{")
        for (index, entry) in entries.enumerated() where left >= 0 {
            if index > 0 { put(", ") }
            put(Self.label(of: entry.key) + ": ")
            write(entry.value)
        }
        put("}")
    }

    private mutating func object(_ type: String, _ content: DecodedContent) {
        put(Self.name(of: type, isFull))
        switch content {
        case .value(.array(let elements)): list(elements, "(", ")")
        case .value(let value): list([value], "(", ")")
        case .arguments(let values): list(values, "(", ")")
        case .fields(let entries):
            put("(")
            for (index, entry) in Self.fields(type, entries, isFull).enumerated() where left >= 0 {
                if index > 0 { put(", ") }
                put(Self.label(of: entry.key) + "=")
                write(entry.value)
            }
            put(")")
        }
    }
}

// MARK: - What the value on several lines is made of, too

extension InlineText {
    /// A name as it is when it is a plain one, else in quotes; any other key as a value.
    static func label(of key: DecodedValue) -> String {
        guard let name = key.string else { return beginning(of: key, room: 60, isFull: false) }
        let isPlain =
            !name.isEmpty && name.count <= 60
            && name.unicodeScalars.allSatisfy {
                $0.properties.isAlphabetic || "0123456789_-:.".unicodeScalars.contains($0)
            }
        return isPlain ? TerminalText.escaped(name) : TerminalText.cut(TerminalText.quoted(name), to: 60)
    }

    static func name(of type: String, _ isFull: Bool) -> String {
        let name = isFull ? type : type.split(separator: ".").last.map(String.init) ?? type
        return TerminalText.cut(TerminalText.escaped(name), to: 80)
    }

    /// The fields that are worth a line: of a message what was said, of LangGraph's own those that are set.
    static func fields(_ type: String, _ entries: [DecodedEntry], _ isFull: Bool) -> [DecodedEntry] {
        if isFull { return entries }
        if type.hasPrefix("langchain_core.messages.") {
            return messageFields.flatMap { name in entries.filter { $0.key == name && !$0.value.isEmpty } }
        }
        return type.hasPrefix("langgraph.") ? entries.filter { !$0.value.isEmpty } : entries
    }

    private static let messageFields = ["content", "tool_calls", "tool_call_id", "status", "name", "id"]
        .map { DecodedValue($0) }

    static func line(of value: OpaqueValue) -> String {
        if value.reason == .empty { return "<empty>" }
        return "<\(value.name), \(value.bytes.count.grouped) bytes: \(TerminalText.escaped(value.note))>"
    }

    private static func bytes(_ bytes: [UInt8]) -> String {
        "<\(bytes.count.grouped) bytes\(bytes.isEmpty ? "" : " ")\(bytes.prefix(16).hex)\(bytes.count > 16 ? "…" : "")>"
    }
}

extension DecodedValue {
    fileprivate var isEmpty: Bool {
        switch self {
        case .null, .array([]), .map([]): true
        case .text(let text): text.wtf8.isEmpty
        default: false
        }
    }
}

extension NumberArray {
    fileprivate var line: String {
        let numbers = first(6).map { InlineText.beginning(of: $0, room: 24, isFull: false) }
        let all = shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
        let more = numbers.isEmpty || all != numbers.count ? numbers + ["…"] : numbers
        let size = shape.map(String.init).joined(separator: "×")
        return "ndarray(\(TerminalText.escaped(type)) \(size): \(more.joined(separator: ", ")))"
    }
}
