import Logging
import Observability
import Synchronization
import Testing

@Suite("Log lines")
struct LineLogHandlerTests {
    /// What a logger wrote, with the clock stopped.
    private func lines(_ format: LogFormat, level: Logger.Level = .trace, _ body: (inout Logger) -> Void) -> String {
        let sink = Sink()
        let handler = LineLogHandler(
            format: format,
            level: level,
            clock: { Timestamp(seconds: 1_769_904_000, milliseconds: 42) },
            write: sink.write
        )
        var logger = Logger(label: "test") { _ in handler }
        body(&logger)
        return sink.text
    }

    private final class Sink: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        var write: @Sendable ([UInt8]) -> Void { { line in self.bytes.withLock { $0 += line } } }
        var text: String { bytes.withLock { String(decoding: $0, as: UTF8.self) } }
    }

    @Test("JSON: fixed fields first, then metadata by key, each with its own type")
    func json() {
        let text = lines(.json) {
            $0.warning("disk is slow", metadata: ["ms": .stringConvertible(12), "b": ["x", "y"], "a": ["k": "v"]])
        }
        #expect(
            text == """
                {"time":"2026-02-01T00:00:00.042Z","level":"warning","message":"disk is slow",\
                "a":{"k":"v"},"b":["x","y"],"ms":12}

                """
        )
    }

    @Test("text: time, level, message, pairs, always one line")
    func text() {
        let text = lines(.text) { $0.info("ready", metadata: ["url": "http://x", "note": "two\nlines\u{1b}[31m"]) }
        #expect(text == "00:00:00.042 info    ready  note=two lines [31m  url=http://x\n")
    }

    @Test("a message cannot forge a second line or a field")
    func injection() {
        let text = lines(.json) { $0.info("a\"}\n{\"level\":\"critical", metadata: ["k\"": "v\n"]) }
        #expect(text.filter { $0 == "\n" }.count == 1)
        #expect(text.contains(#""message":"a\"}\n{\"level\":\"critical","k\"":"v\n"}"#))
    }

    @Test("events below the level are not written")
    func level() {
        #expect(lines(.json, level: .error) { $0.warning("no") } == "")
        #expect(lines(.json, level: .error) { $0.error("yes") } != "")
    }

    @Test("the logger's own metadata is in every line, and an event's counts first")
    func metadata() {
        let text = lines(.text) {
            $0[metadataKey: "a"] = "logger"
            $0[metadataKey: "b"] = "logger"
            $0.info("x", metadata: ["b": "event"])
        }
        #expect(text.hasSuffix("x  a=logger  b=event\n"))
    }

    @Test(
        "times are UTC to the millisecond",
        arguments: [
            (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_400, 999, "2000-02-29T00:00:00.999Z"),
            (4_102_444_799, 7, "2099-12-31T23:59:59.007Z"),
        ]
    )
    func time(_ seconds: Int, _ milliseconds: Int, _ expected: String) {
        #expect(Timestamp(seconds: seconds, milliseconds: milliseconds).iso8601 == expected)
    }
}
