/// Rows under their headings, as wide as they need to be and the terminal is.
struct TextTable {
    struct Column {
        let heading: String
        var isNumber = false
        /// Whether its cells may be cut for the others to have room.
        var isFlexible = false
        /// Whether it is left out when there is no room for all; the greatest number first, 0 never.
        var dispensability = 0
    }

    struct Cell: ExpressibleByStringInterpolation {
        /// With nothing in it that a terminal obeys.
        let text: String
        var style: Terminal.Style?

        /// Text from anywhere, which is escaped.
        init(_ text: String, _ style: Terminal.Style? = nil) {
            self.text = TerminalText.escaped(text)
            self.style = style
        }

        init(stringLiteral value: String) {
            self.init(value)
        }
    }

    private static let gap = 2
    private static let narrowest = 8
    /// What a cell that may be cut keeps while there is another column to leave out.
    private static let readable = 24

    let columns: [Column]
    var rows: [[Cell]] = []

    init(_ columns: [Column]) {
        self.columns = columns
    }

    func lines(on terminal: Terminal) -> [String] {
        var shown = Array(columns.indices)
        var widths = shown.map { column in
            rows.reduce(TerminalText.width(columns[column].heading)) { max($0, TerminalText.width($1[column].text)) }
        }
        if let width = terminal.width {
            leaveOut(&shown, widths, width)
            cut(&widths, shown, width)
        }
        let heading = columns.map { Cell($0.heading, .bold) }
        return ([heading] + rows).map { line($0, shown, widths, terminal) }
    }

    private func leaveOut(_ shown: inout [Int], _ widths: [Int], _ width: Int) {
        while true {
            let needed = shown.reduce(Self.gap * (shown.count - 1)) { sum, column in
                sum + (columns[column].isFlexible ? min(widths[column], Self.readable) : widths[column])
            }
            let next = shown.max { columns[$0].dispensability < columns[$1].dispensability }
            guard needed > width, let next, columns[next].dispensability > 0 else { return }
            shown.removeAll { $0 == next }
        }
    }

    private func cut(_ widths: inout [Int], _ shown: [Int], _ width: Int) {
        while shown.reduce(Self.gap * (shown.count - 1), { $0 + widths[$1] }) > width {
            let flexible = shown.filter { columns[$0].isFlexible && widths[$0] > Self.narrowest }
            // What cannot be cut goes over the edge: an id is no use in part.
            guard let widest = flexible.max(by: { widths[$0] < widths[$1] }) else { return }
            widths[widest] -= 1
        }
    }

    private func line(_ cells: [Cell], _ shown: [Int], _ widths: [Int], _ terminal: Terminal) -> String {
        var line = ""
        for index in shown {
            let cell = cells[index]
            let text = TerminalText.cut(cell.text, to: widths[index])
            let padding = String(repeating: " ", count: max(0, widths[index] - TerminalText.width(text)))
            let painted = terminal.paint(text, cell.style)
            let isLast = index == shown.last
            line += columns[index].isNumber ? padding + painted : painted + (isLast ? "" : padding)
            if !isLast { line += String(repeating: " ", count: Self.gap) }
        }
        // Of empty cells at the end.
        return String(line.reversed().drop { $0 == " " }.reversed())
    }
}
