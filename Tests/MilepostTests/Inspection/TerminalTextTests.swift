import JSON
import Serde
import Testing

@testable import milepost

@Suite("Text on a terminal")
struct TerminalTextTests {
    private let plain = Terminal(width: nil, hasColours: false)

    @Test(
        "what a terminal would obey is escaped",
        arguments: [
            ("plain é 漢 🙂", "plain é 漢 🙂"), ("a\u{1b}[31mb", #"a\u001b[31mb"#), ("a\nb\tc\rd", #"a\nb\tc\rd"#),
            ("\u{9b}31m", #"\u009b31m"#), ("\u{7f}", #"\u007f"#), ("a\u{202e}b", #"a\u202eb"#),
            ("\u{2028}", #"\u2028"#), ("\u{e0041}", #"\udb40\udc41"#), ("👩\u{200d}💻", "👩\u{200d}💻"),
        ])
    func escaping(_ text: String, _ shown: String) {
        #expect(TerminalText.escaped(text) == shown)
    }

    @Test("JSON with those characters escaped says the same")
    func json() throws {
        let value: JSONValue = ["a\u{9b}\u{202e}": .string("x\u{7f}\u{e0041}\n\u{1b}")]
        let shown = TerminalText.escaped(String(decoding: value.text.bytes, as: UTF8.self))
        #expect(shown.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 0x20 && $0.value != 0x7F })
        #expect(try JSONValue(parsing: Array(shown.utf8)) == value)
    }

    @Test("a text is cut at the columns it takes")
    func cutting() {
        #expect(TerminalText.cut("abcdef", to: 6) == "abcdef")
        #expect(TerminalText.cut("abcdefg", to: 6) == "abcde…")
        #expect(TerminalText.cut("漢字漢字", to: 6) == "漢字…")
        #expect(TerminalText.cut("e\u{301}e\u{301}", to: 2) == "e\u{301}e\u{301}")
        #expect(TerminalText.cut("abc", to: 0) == "")
    }

    @Test("a table is as wide as its cells, or the terminal, and cuts only what may be cut")
    func table() {
        var table = TextTable([
            .init(heading: "ID"), .init(heading: "N", isNumber: true), .init(heading: "NOTE", isFlexible: true),
        ])
        table.rows = [["a-long-identifier", "7", "a note of some length"], ["b", "1,000", ""]]
        #expect(
            table.lines(on: plain) == [
                "ID                     N  NOTE", "a-long-identifier      7  a note of some length",
                "b                  1,000",
            ]
        )
        let narrow = table.lines(on: Terminal(width: 40, hasColours: false))
        #expect(narrow[1] == "a-long-identifier      7  a note of som…" && narrow[1].count == 40)
        // An id is no use in part.
        #expect(table.lines(on: Terminal(width: 10, hasColours: false))[1] == "a-long-identifier      7  a note …")
    }

    @Test("a column that can be done without is left out before another is cut to nothing")
    func narrowTable() {
        var table = TextTable([
            .init(heading: "ID"), .init(heading: "TIME", dispensability: 1), .init(heading: "KIND", dispensability: 2),
            .init(heading: "NOTE", isFlexible: true),
        ])
        table.rows = [["an-id", "12:00", "loop", "interrupt, resumed"]]
        func line(_ width: Int) -> String { table.lines(on: Terminal(width: width, hasColours: false))[1] }
        #expect(line(40) == "an-id  12:00  loop  interrupt, resumed")
        #expect(line(37) == "an-id  12:00  interrupt, resumed")
        #expect(line(31) == "an-id  interrupt, resumed")
        #expect(line(20) == "an-id  interrupt, r…")
    }

    @Test("colours take no room, and are there only when asked for")
    func colours() {
        var table = TextTable([.init(heading: "A"), .init(heading: "B")])
        table.rows = [[.init("x\u{1b}y", .red), "z"]]
        #expect(table.lines(on: plain) == [#"A         B"#, #"x\u001by  z"#])
        let coloured = table.lines(on: Terminal(width: 80, hasColours: true))
        #expect(coloured[1] == "\u{1b}[31mx\\u001by\u{1b}[0m  z")
    }

    @Test(
        "times to the second, and sizes to three digits",
        arguments: [
            ("2026-01-02T03:04:05.678901+00:00", "2026-01-02 03:04:05Z"),
            ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05Z"),
            ("2026-01-02T03:04:05+02:00", "2026-01-02 03:04:05+02:00"), ("yesterday", "yesterday"),
            ("2026-01-02T03:04:05\u{1b}[2J", "2026-01-02T03:04:05\u{1b}[2J"),
        ])
    func times(_ text: String, _ shown: String) {
        #expect(Shown.time(text) == shown)
        for (bytes, size) in [
            (0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (12_345, "12.3 kB"), (123_456_789, "123 MB"),
        ] {
            #expect(Shown.size(bytes) == size)
        }
    }
}
