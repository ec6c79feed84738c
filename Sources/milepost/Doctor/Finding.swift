import JSON

/// What one check of `milepost doctor` found.
struct Finding: Hashable {
    /// From the best to the worst; the names are part of what `--json` documents.
    enum State: String, Comparable {
        case ok
        case warning
        case problem

        static func < (left: State, right: State) -> Bool { left.order < right.order }

        private var order: Int {
            switch self {
            case .ok: 0
            case .warning: 1
            case .problem: 2
            }
        }

        var style: Terminal.Style {
            switch self {
            case .ok: .green
            case .warning: .yellow
            case .problem: .red
            }
        }
    }

    /// What was looked at, a word or two.
    let check: String
    let state: State
    /// What is so; of a warning and a problem also what to do.
    let text: String

    init(_ check: String, _ state: State, _ text: String) {
        // PostgreSQL's messages have tabs.
        (self.check, self.state, self.text) = (check, state, text.replacing("\t", with: " "))
    }

    /// What docs/doctor.md documents.
    var json: JSONValue {
        [
            "check": .string(JSONString(check)),
            "state": .string(JSONString(state.rawValue)),
            "text": .string(JSONString(text)),
        ]
    }

    /// On a terminal the text is broken between words; elsewhere a finding is one line.
    func lines(on terminal: Terminal) -> [String] {
        let head = Self.padded(state.rawValue, 9)
        let name = Self.padded(check, 15)
        let plain = TerminalText.escaped(text)
        let room = terminal.width.map { max($0 - 25, 30) } ?? Int.max
        let parts = Self.broken(plain, room)
        let first = terminal.paint(head, state.style) + name + (parts.first ?? "")
        return [first] + parts.dropFirst().map { String(repeating: " ", count: 24) + $0 }
    }

    private static func padded(_ text: String, _ columns: Int) -> String {
        text + String(repeating: " ", count: max(columns - text.count, 1))
    }

    private static func broken(_ text: String, _ room: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, TerminalText.width(line) + TerminalText.width(String(word)) + 1 > room {
                lines.append(line)
                line = String(word)
            } else {
                line += (line.isEmpty ? "" : " ") + word
            }
        }
        return lines + [line]
    }
}
