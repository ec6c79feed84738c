import JSON
import Logging
import Observability
import Synchronization
import Testing
import Tracing

@Suite("The exporter of spans", .timeLimit(.minutes(5)))
struct SpanExporterTests {
    /// Answers each body by one function, and tells what came.
    private final class Fake: Sendable {
        private let answers: Mutex<[SpanExporter.Outcome]>
        private let counts = Mutex<[Int]>([])
        private let arrivals = AsyncStream.makeStream(of: Int.self)

        /// The last of `answers` goes on for ever.
        init(_ answers: [SpanExporter.Outcome]) { self.answers = Mutex(answers) }

        /// How many spans each body had.
        var batches: [Int] { counts.withLock { $0 } }
        /// How many spans came in all.
        var spans: Int { batches.reduce(0, +) }

        func send(_ body: [UInt8]) -> SpanExporter.Outcome {
            let count = String(decoding: body, as: UTF8.self).ranges(of: "\"traceId\"").count
            counts.withLock { $0.append(count) }
            arrivals.continuation.yield(count)
            return answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
        }

        func untilArrived(_ number: Int) async {
            for await _ in arrivals.stream where batches.count >= number { return }
        }
    }

    private final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        var all: [String] { lines.withLock { $0 } }
        var logger: Logger { Logger(label: "test") { _ in LineLogHandler(format: .json, level: .info, write: write) } }
        private func write(_ bytes: [UInt8]) {
            guard let line = try? JSONValue(parsing: bytes) else { return }
            let parts = ["level", "message", "reason", "dropped"].compactMap { line[$0] }
            lines.withLock {
                $0.append(parts.map { String(decoding: $0.text.bytes, as: UTF8.self) }.joined(separator: " "))
            }
        }
    }

    private static let down = SpanExporter.Outcome.failed("connection refused", retryAfter: nil)
    private static let failing =
        #""warning" "traces cannot be delivered: spans are kept for a while, then dropped; calls go on as before" "#

    private let clock = ManualClock()
    private let lines = Lines()

    private func fill(_ buffer: SpanBuffer, _ count: Int) {
        let tracer = OTLPTracer(record: buffer.add)
        for number in 0..<count { tracer.start("\(number)", in: .topLevel, kind: .internal, at: 1).end(at: 2) }
    }

    /// Runs the exporter beside `body`, until that returns; it has ended when this does.
    private func run(_ buffer: SpanBuffer, _ fake: Fake, _ body: () async throws -> Void) async throws {
        let document = OTLPDocument(service: "s", version: "1", instance: "i")
        let exporter = SpanExporter(buffer, as: document, clock: clock, logger: lines.logger) { body, _ in
            fake.send(body)
        }
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await exporter.run() }
            defer { group.cancelAll() }
            // It sleeps until the next second.
            try await clock.untilSleeping(for: SpanExporter.interval)
            try await body()
        }
    }

    /// Seconds go by until so many spans came: those that are filled in while it looks may go in several batches.
    private func pass(until spans: Int, _ fake: Fake) async throws {
        while fake.spans < spans {
            clock.advance(by: SpanExporter.interval)
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    @Test("spans wait for a second, or for a batch")
    func batches() async throws {
        let (buffer, fake) = (SpanBuffer(), Fake([.taken]))
        try await run(buffer, fake) {
            fill(buffer, SpanBuffer.batch - 1)
            #expect(fake.batches.isEmpty)
            fill(buffer, 1)
            await fake.untilArrived(1)
            fill(buffer, 3)
            try await pass(until: 515, fake)
        }
        #expect(fake.batches.first == 512 && fake.spans == 515 && lines.all.isEmpty)
    }

    @Test("the flush of a tracer sends what is there")
    func forced() async throws {
        let (buffer, fake) = (SpanBuffer(), Fake([.taken]))
        try await run(buffer, fake) {
            fill(buffer, 2)
            OTLPTracer(flush: buffer.flush, record: buffer.add).forceFlush()
            await fake.untilArrived(1)
        }
        #expect(fake.batches == [2])
    }

    @Test("beyond its capacity the buffer counts, and keeps the oldest")
    func bounds() {
        let buffer = SpanBuffer(capacity: 10)
        fill(buffer, 25)
        #expect(buffer.count == 10 && buffer.dropped == 15)
    }

    @Test("a batch is sent again after 1, 2, 4 and 8 seconds, then dropped; the log says so once")
    func retries() async throws {
        let (buffer, fake) = (SpanBuffer(), Fake(Array(repeating: Self.down, count: 5) + [.taken]))
        try await run(buffer, fake) {
            fill(buffer, SpanBuffer.batch)
            for seconds in [1, 2, 4, 8] {
                try await clock.untilSleeping(for: SpanExporter.interval, .seconds(seconds))
                #expect(buffer.dropped == 0)
                clock.advance(by: .seconds(seconds))
            }
            await fake.untilArrived(5)
            fill(buffer, SpanBuffer.batch)
            try await pass(until: 6 * 512, fake)
        }
        #expect(fake.batches.prefix(5) == [512, 512, 512, 512, 512] && fake.spans == 6 * 512)
        #expect(buffer.dropped == 512)
        #expect(
            lines.all == [
                Self.failing + #""connection refused""#, #""notice" "traces are delivered again" 512"#,
            ]
        )
    }

    @Test(
        "a collector that names a time is given it, within bounds",
        arguments: [(0, 1), (7, 7), (3_600, 30)]
    )
    func retryAfter(_ asked: Int, _ waited: Int) async throws {
        let busy = SpanExporter.Outcome.failed("busy", retryAfter: .seconds(asked))
        let (buffer, fake) = (SpanBuffer(), Fake([busy, .taken]))
        try await run(buffer, fake) {
            fill(buffer, SpanBuffer.batch)
            try await clock.untilSleeping(for: SpanExporter.interval, .seconds(waited))
            #expect(fake.batches.count == 1)
            clock.advance(by: .seconds(waited))
            await fake.untilArrived(2)
        }
        #expect(fake.batches == [512, 512] && buffer.dropped == 0)
    }

    @Test("what is refused for good is not sent again")
    func refused() async throws {
        let (buffer, fake) = (SpanBuffer(), Fake([.refused("status 404")]))
        try await run(buffer, fake) {
            for number in 1...3 {
                fill(buffer, SpanBuffer.batch)
                try await pass(until: number * 512, fake)
            }
        }
        #expect(fake.spans == 3 * 512 && buffer.dropped == 3 * 512)
        #expect(lines.all == [Self.failing + #""status 404""#])
    }

    @Test("more than the collector takes is dropped and counted, and the log says so")
    func overload() async throws {
        let (buffer, fake) = (SpanBuffer(capacity: 600), Fake([.taken]))
        fill(buffer, 1_000)
        try await run(buffer, fake) { try await pass(until: 600, fake) }
        #expect(fake.batches == [512, 88] && buffer.dropped == 400)
        #expect(lines.all.count == 1 && lines.all.first?.hasSuffix("400") == true)
    }

    @Test("at the end what is left is sent, with what waited for another try")
    func flush() async throws {
        let (buffer, fake) = (SpanBuffer(), Fake([Self.down, .taken]))
        try await run(buffer, fake) {
            fill(buffer, 1_100)
            // The first batch has failed, and waits: its second beside the one of the interval.
            await fake.untilArrived(1)
        }
        #expect(fake.batches == [512, 512, 512, 76] && buffer.count == 0 && buffer.dropped == 0)
    }

    @Test("at the end a collector that is down is tried once")
    func lost() async throws {
        let (buffer, fake) = (SpanBuffer(), Fake([Self.down]))
        try await run(buffer, fake) { fill(buffer, 100) }
        #expect(fake.batches == [100])
        #expect(lines.all == [#""warning" "the last spans could not be delivered" 100"#])
    }
}
