import NIOCore

/// How long a client in the middle of a request has sent nothing although it was asked to.
///
/// Its request holds bytes of the budget, and would do so forever. The time in which nothing is asked for, because the
/// server is not ready for more, does not count.
///
/// Used on one event loop.
final class ClientSilence {
    /// How long a client may pause in a request.
    static let limit = TimeAmount.seconds(30)

    /// A head came, and its end has not.
    var isRequestOpen = false
    /// Nil while nothing is asked for.
    private var start: NIODeadline?
    private var timer: Scheduled<Void>?

    /// More of an open request is asked for.
    ///
    /// When none of it came for too long, `isGivenUp` is called; if it returns false, later again.
    func begin(_ eventLoop: any EventLoop, _ isGivenUp: @escaping () -> Bool) {
        guard start == nil else { return }
        let now = eventLoop.now
        start = now
        if timer == nil { wait(until: now + Self.limit, eventLoop, isGivenUp) }
    }

    /// Something came.
    func end() {
        start = nil
    }

    /// The connection is at its end.
    func stop() {
        timer?.cancel()
        timer = nil
        start = nil
    }

    /// One timer serves all requests of a connection: what comes only moves the start.
    private func wait(until deadline: NIODeadline, _ eventLoop: any EventLoop, _ isGivenUp: @escaping () -> Bool) {
        timer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            timer = nil
            guard let start else { return }
            let now = eventLoop.now
            if now < start + Self.limit {
                wait(until: start + Self.limit, eventLoop, isGivenUp)
            } else if !isGivenUp() {
                wait(until: now + Self.limit, eventLoop, isGivenUp)
            }
        }
    }
}
