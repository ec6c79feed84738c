import NIOCore
import NIOPosix

/// One measurement, from the first connection to the last answer; lives on its event loop.
final class Run {
    private let options: Options
    private let loop: any EventLoop
    private let done: EventLoopPromise<Report>
    private var ids = IDs()
    private var thread: [UInt8] = []
    private var checkpoint: [UInt8] = []
    private let firstThread: UInt64
    private var free: [Connection] = []
    private var sent = 0
    private var answered = 0
    private var startedAt = ContinuousClock.now
    private var measuredFrom = ContinuousClock.now
    private var isTimerSet = false
    private var report = Report()

    init(_ options: Options, on loop: any EventLoop) {
        self.options = options
        self.loop = loop
        done = loop.makePromise()
        firstThread = options.interval == nil ? 0 : .random(in: 0..<1 << 62)
        report.latencies.reserveCapacity(options.count)
    }

    /// Connects, then sends until every request is answered.
    func start() -> EventLoopFuture<Report> {
        let bound = NIOLoopBound(self, eventLoop: loop)
        let bootstrap = ClientBootstrap(group: loop)
            .channelOption(.socketOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Connection(bound.value))
                }
            }
        let connected = (0..<options.connections).map { _ in
            bootstrap.connect(host: "127.0.0.1", port: options.port).map { _ in }
        }
        EventLoopFuture.andAllSucceed(connected, on: loop).assumeIsolated().whenComplete { result in
            switch result {
            case .success:
                self.startedAt = .now
                self.send()
            case .failure(let error): self.fail(error)
            }
        }
        return done.futureResult
    }

    /// The connection has nothing to do.
    func isFree(_ connection: Connection) {
        free.append(connection)
    }

    func answer(status: Int, on connection: Connection, due: ContinuousClock.Instant, number: Int) {
        let now = ContinuousClock.now
        answered += 1
        report.statuses[String(status), default: 0] += 1
        if number >= options.warmUp {
            report.latencies.append(now - due)
        }
        free.append(connection)
        if answered == options.count {
            report.seconds = (now - measuredFrom) / .seconds(1)
            done.succeed(report)
        } else {
            send()
        }
    }

    func fail(_ error: any Error) {
        done.fail(error)
    }

    /// Sends what is due, as far as connections are free; called at the next due time and after each answer.
    private func send() {
        while sent < options.count, !free.isEmpty {
            let now = ContinuousClock.now
            let due = options.interval.map { startedAt + $0 * sent } ?? now
            guard due <= now else { return setTimer(due - now) }
            if sent == options.warmUp {
                measuredFrom = due
            }
            free.removeLast().send(due: due, number: sent) { buffer in write(sent, to: &buffer) }
            sent += 1
        }
    }

    private func write(_ number: Int, to buffer: inout ByteBuffer) {
        let line = number % options.templates.count
        if line == 0 || options.interval != nil {
            let group = options.interval == nil ? number / options.templates.count : number
            thread = IDs.thread(firstThread + UInt64(group))
            checkpoint = ids.checkpoint()
        }
        options.templates[line].write(to: &buffer, thread: thread, checkpoint: checkpoint)
    }

    private func setTimer(_ delay: Duration) {
        guard !isTimerSet else { return }
        isTimerSet = true
        loop.assumeIsolated().scheduleTask(in: .nanoseconds(Int64(delay / .nanoseconds(1)))) {
            self.isTimerSet = false
            self.send()
        }
    }
}
