import Serde

/// A value under its name, on as many lines as it needs: one when it fits.
struct BlockText {
    private let width: Int
    private let isFull: Bool
    private let limit: Int
    private var lines: [String] = []

    /// The lines of a value, cut to some unless `isFull`; the last says how to see the rest.
    static func lines(_ label: String, _ value: DecodedValue, width: Int, isFull: Bool, indent: Int = 2) -> [String] {
        var block = BlockText(width: width, isFull: isFull, limit: isFull ? .max : 24)
        block.add(label, value, indent)
        guard block.lines.count > block.limit else { return block.lines }
        return block.lines.prefix(block.limit) + [String(repeating: " ", count: indent) + "… more: --full shows all"]
    }

    private init(width: Int, isFull: Bool, limit: Int) {
        (self.width, self.isFull, self.limit) = (width, isFull, limit)
    }

    private mutating func add(_ label: String, _ value: DecodedValue, _ indent: Int) {
        guard lines.count <= limit else { return }
        let start = String(repeating: " ", count: indent) + label + ": "
        let room = max(20, width - TerminalText.width(start))
        if let line = InlineText.of(value, room: room, isFull: isFull) {
            lines.append(start + line)
            return
        }
        switch value {
        case .text: lines.append(start + text(value.string ?? "", room))
        case .array(let elements): list(elements, start + "(\(elements.count.grouped))", indent)
        case .map(let entries): map(entries, start + "{\(entries.count.grouped)}", indent)
        case .snapshot(let value): nested([("value", value)], start + "delta snapshot", indent)
        case .object(let type, let content): object(start + InlineText.name(of: type, isFull), type, content, indent)
        default: lines.append(start + InlineText.beginning(of: value, room: isFull ? .max / 8 : room, isFull: isFull))
        }
    }

    private mutating func object(_ head: String, _ type: String, _ content: DecodedContent, _ indent: Int) {
        switch content {
        case .value(.array(let elements)), .arguments(let elements):
            list(elements, "\(head) (\(elements.count.grouped))", indent)
        case .value(let value): nested([("value", value)], head, indent)
        case .fields(let entries): map(InlineText.fields(type, entries, isFull), head, indent)
        }
    }

    private mutating func list(_ elements: [DecodedValue], _ head: String, _ indent: Int) {
        nested(elements.enumerated().lazy.map { ("[\($0.offset)]", $0.element) }, head, indent)
    }

    private mutating func map(_ entries: [DecodedEntry], _ head: String, _ indent: Int) {
        nested(entries.lazy.map { (InlineText.label(of: $0.key), $0.value) }, head, indent)
    }

    private mutating func nested(_ parts: some Sequence<(String, DecodedValue)>, _ head: String, _ indent: Int) {
        lines.append(head)
        for (label, value) in parts {
            guard lines.count <= limit else { return }
            add(label, value, indent + 2)
        }
    }

    private func text(_ text: String, _ room: Int) -> String {
        if isFull { return TerminalText.quoted(text) }
        let note = "… (\(text.count.grouped) characters)"
        let beginning = TerminalText.quoted(String(text.prefix(room))).dropLast()
        return TerminalText.cut(String(beginning), to: room - TerminalText.width(note) + 1).dropMark + note
    }
}

extension String {
    fileprivate var dropMark: String {
        hasSuffix("…") ? String(dropLast()) : self
    }
}
