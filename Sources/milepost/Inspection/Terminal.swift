import Glibc

/// What standard output or standard error is: how wide, and what it shows.
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
    /// Whether it shows more than ASCII, as the locale says.
    var isUnicode = false
    /// Whether a line can be drawn again in its place.
    var isRedrawable = false

    static var standardOutput: Terminal { Terminal(STDOUT_FILENO) }
    static var standardError: Terminal { Terminal(STDERR_FILENO) }

    init(width: Int?, hasColours: Bool, isUnicode: Bool = false) {
        self.width = width
        self.hasColours = hasColours
        self.isUnicode = isUnicode
    }

    /// Colours are for a terminal that has them, unless `NO_COLOR` (https://no-color.org) is set.
    private init(_ descriptor: Int32) {
        isUnicode = Self.isUnicode { getenv($0).map { String(cString: $0) } }
        guard isatty(descriptor) == 1 else {
            (width, hasColours) = (nil, false)
            return
        }
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        width = isKnown ? Int(size.ws_col) : 80
        let isDumb = Self.variable("TERM") == "dumb"
        hasColours = Self.variable("NO_COLOR") == nil && !isDumb
        isRedrawable = !isDumb
    }

    /// What the first of the three variables that is set says:
    /// https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html#tag_08_02.
    static func isUnicode(_ variable: (String) -> String?) -> Bool {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap(variable).first { !$0.isEmpty } ?? ""
        let name = locale.lowercased()
        return name.contains("utf-8") || name.contains("utf8")
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
