import Testing

@testable import milepost

@Suite("progress", .timeLimit(.minutes(5)))
struct ProgressTests {
    private static let unicode = Terminal(width: 80, hasColours: false, isUnicode: true)
    private static let ascii = Terminal(width: 80, hasColours: true)

    @Test("a bar shows the part that is done, to an eighth of a cell where the locale has them")
    func bars() {
        #expect(Progress.bar(0, cells: 8, isUnicode: true) == "▕        ▏")
        #expect(Progress.bar(0.5, cells: 8, isUnicode: true) == "▕████    ▏")
        #expect(Progress.bar(0.51, cells: 8, isUnicode: true) == "▕████    ▏")
        #expect(Progress.bar(0.58, cells: 8, isUnicode: true) == "▕████▋   ▏")
        #expect(Progress.bar(1, cells: 8, isUnicode: true) == "▕████████▏")
        #expect(Progress.bar(7, cells: 8, isUnicode: true) == "▕████████▏")
        #expect(Progress.bar(0.58, cells: 8, isUnicode: false) == "[####....]")
        #expect(Progress.bar(-1, cells: 8, isUnicode: false) == "[........]")
    }

    @Test("a terminal gets the bar, the part, the words and the time that is left")
    func drawn() {
        let progress = Progress(text: "1,234 threads", fraction: 0.42, remaining: .seconds(200))
        #expect(progress.drawn(on: Self.unicode) == "▕████████▍           ▏  42 %  1,234 threads  3:20 left")
        #expect(progress.drawn(on: Self.ascii) == "[########............]  42 %  1,234 threads  3:20 left")
        #expect(progress.line == " 42 %  1,234 threads  3:20 left")
        let counter = Progress(text: "1,234 threads", fraction: nil, remaining: nil)
        #expect(counter.drawn(on: Self.unicode) == "1,234 threads")
        #expect(counter.line == "1,234 threads")
    }

    @Test("no line is wider than its terminal, nor than 80 columns", arguments: [10, 30, 45, 60, 80, 200])
    func widths(_ width: Int) {
        let text = "12,345,678 checkpoints, 12,345,678 blobs, 3 damaged"
        for terminal in [
            Terminal(width: width, hasColours: false, isUnicode: true), Terminal(width: width, hasColours: false),
        ] {
            for fraction in [nil, 0, 0.5, 1] {
                let line = Progress(text: text, fraction: fraction, remaining: .seconds(7_384)).drawn(on: terminal)
                #expect(TerminalText.width(line) < min(width, 80))
            }
        }
        let narrow = Progress(text: text, fraction: 0.5, remaining: nil).drawn(
            on: Terminal(width: 70, hasColours: false))
        #expect(narrow == "[####....]  50 %  \(text)", "the bar gives way before the words do")
    }

    @Test(
        "time that is left",
        arguments: [(0, "0:00 left"), (59, "0:59 left"), (200, "3:20 left"), (7_384, "2:03:04 left")])
    func remaining(_ seconds: Int, _ text: String) {
        #expect(Progress(text: "x", fraction: 0.5, remaining: .seconds(seconds)).line == " 50 %  x  \(text)")
    }

    @Test(
        "the locale says whether a terminal shows more than ASCII",
        arguments: [
            (["LANG": "en_GB.UTF-8"], true), (["LANG": "C.utf8"], true), (["LANG": "C"], false), ([:], false),
            (["LC_ALL": "C", "LANG": "en_GB.UTF-8"], false), (["LC_ALL": "", "LC_CTYPE": "C.UTF-8"], true),
        ] as [([String: String], Bool)])
    func locales(_ variables: [String: String], _ isUnicode: Bool) {
        #expect(Terminal.isUnicode { variables[$0] } == isUnicode)
    }
}
