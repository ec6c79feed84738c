import Glibc

/// What standard output is: how wide, and whether it takes colours.
struct Terminal {
    enum Style: String {
        case bold = "1"
        case dim = "2"
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
    }

    /// Columns; nil when it is a file or a pipe, which takes lines of any length.
    let width: Int?
    let hasColours: Bool

    /// Colours are for a terminal that has them, unless `NO_COLOR` (https://no-color.org) is set.
    static var standardOutput: Terminal {
        guard isatty(STDOUT_FILENO) == 1 else { return Terminal(width: nil, hasColours: false) }
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        let isPlain = variable("NO_COLOR") != nil || variable("TERM") == "dumb"
        return Terminal(width: isKnown ? Int(size.ws_col) : 80, hasColours: !isPlain)
    }

    /// The text in that style, which takes no room.
    func paint(_ text: String, _ style: Style?) -> String {
        guard hasColours, let style, !text.isEmpty else { return text }
        return "\u{1b}[\(style.rawValue)m\(text)\u{1b}[0m"
    }

    /// An empty variable counts as none.
    private static func variable(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}
