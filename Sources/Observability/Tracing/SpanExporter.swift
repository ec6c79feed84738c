package import Logging

/// Sends the spans of a buffer to a collector: every second, or when a batch is full.
///
/// Nobody waits for it. What a collector does not take is sent again a few times, then dropped, as is what meanwhile
/// finds no room in the buffer; the log says once that it began and once that it is over.
package final class SpanExporter: Sendable {
    /// What became of a batch that was sent.
    package enum Outcome: Hashable, Sendable {
        case taken
        /// It would be refused again.
        case refused(String)
        /// Another try may do, after a time that the collector may have named.
        case failed(String, retryAfter: Duration?)
    }

    /// Sends a body, for as long as is given.
    ///
    /// It goes on when its task is cancelled, but for no longer than `flushLimit`.
    package typealias Send = @Sendable (_ body: [UInt8], _ limit: Duration) async -> Outcome

    /// How long spans wait for more at most.
    package static let interval = Duration.seconds(1)
    /// How long a collector may take to answer.
    package static let answerLimit = Duration.seconds(10)
    /// How long a collector may take, at the end, to answer what is under way, and how long for all the rest.
    package static let flushLimit = Duration.seconds(2)
    /// How often a batch is sent before it is dropped.
    package static let attempts = 5
    /// How long is waited between two attempts at most, whatever the collector asks for.
    package static let longestWait = Duration.seconds(30)

    private let buffer: SpanBuffer
    private let document: OTLPDocument
    private let clock: any Clock<Duration>
    private let logger: Logger
    private let send: Send

    /// `clock` is what is waited by.
    package init(
        _ buffer: SpanBuffer,
        as document: OTLPDocument,
        clock: any Clock<Duration> = ContinuousClock(),
        logger: Logger,
        send: @escaping Send
    ) {
        self.buffer = buffer
        self.document = document
        self.clock = clock
        self.logger = logger
        self.send = send
    }

    /// Whether the operator has been told that spans are lost, and how many had been by then.
    private struct Health {
        var isFailing = false
        var droppedBefore = 0
    }

    /// Sends until its task is cancelled, and then what is left, for `flushLimit`.
    package func run() async {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        buffer.onFull { wake.yield() }
        var health = Health()
        await withDiscardingTaskGroup { group in
            group.addTask { [clock] in
                // Throws when cancelled.
                while (try? await clock.sleep(for: Self.interval)) != nil { wake.yield() }
            }
            for await _ in wakes {
                while !Task.isCancelled, let batch = buffer.take() {
                    await deliver(batch, &health)
                }
            }
        }
        buffer.onFull(nil)
        await flush()
    }

    private func deliver(_ batch: [FinishedSpan], _ health: inout Health) async {
        let body = document.body(batch)
        for attempt in 1...Self.attempts {
            switch await send(body, Self.answerLimit) {
            case .taken:
                return succeeded(&health)
            case .refused(let reason):
                buffer.drop(batch.count)
                return failed(reason, &health)
            case .failed(let reason, let asked):
                failed(reason, &health)
                guard attempt < Self.attempts else { return buffer.drop(batch.count) }
                let wait = min(max(asked ?? .zero, .seconds(1 << (attempt - 1))), Self.longestWait)
                do {
                    try await clock.sleep(for: wait)
                } catch {
                    return buffer.putBack(batch)
                }
            }
        }
    }

    private func failed(_ reason: String, _ health: inout Health) {
        guard !health.isFailing else { return }
        health.isFailing = true
        logger.warning(
            "traces cannot be delivered: spans are kept for a while, then dropped; calls go on as before",
            metadata: ["reason": .string(reason)]
        )
    }

    private func succeeded(_ health: inout Health) {
        let dropped = buffer.dropped
        if health.isFailing {
            health.isFailing = false
            logger.notice(
                "traces are delivered again",
                metadata: ["dropped": .stringConvertible(dropped - health.droppedBefore)]
            )
            health.droppedBefore = dropped
        } else if dropped >= 2 * health.droppedBefore, dropped > health.droppedBefore {
            // Twice as many as the last time: a collector that is too slow for good is not told of every second.
            logger.warning(
                "more spans come than the collector takes; lower traces-percent, or give it more to work with",
                metadata: ["dropped": .stringConvertible(dropped)]
            )
            health.droppedBefore = dropped
        }
    }

    /// Tries once to get rid of what is there.
    private func flush() async {
        let end = ContinuousClock.now + Self.flushLimit
        while let batch = buffer.take() {
            let left = end - .now
            if left > .zero, case .taken = await send(document.body(batch), left) { continue }
            logger.warning(
                "the last spans could not be delivered",
                metadata: ["dropped": .stringConvertible(batch.count + buffer.count)]
            )
            return
        }
    }
}
