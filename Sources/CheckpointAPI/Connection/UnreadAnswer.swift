import NIOCore

/// Finds a client that takes nothing of what waits for it.
struct UnreadAnswer {
    private var since: NIODeadline?
    private var bytes = 0

    /// Whether nothing was taken for that long, as far as can be seen by looking now and then.
    mutating func isOver(_ limit: TimeAmount, _ channel: any Channel, _ now: NIODeadline) -> Bool {
        guard !channel.isWritable else {
            since = nil
            return false
        }
        // A channel that cannot say counts as one whose client reads nothing.
        let waiting = (try? channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
        guard let since, waiting == bytes else {
            self.since = now
            bytes = waiting
            return false
        }
        return now - since >= limit
    }
}
