import NIOCore
import Synchronization

/// Counts the connections of a server, and has them looked at.
package final class OpenConnections: Sendable {
    let limits: ConnectionLimits
    private let open = Atomic(0)
    private let refused = Atomic(0)
    private let sweeps = Mutex<[ObjectIdentifier: NIOLoopBound<ConnectionSweep>]>([:])

    package init(limits: ConnectionLimits = ConnectionLimits()) {
        self.limits = limits
    }

    /// The connections that are open now.
    package var count: Int { open.load(ordering: .relaxed) }

    /// How many were refused so far.
    package var refusedCount: Int { refused.load(ordering: .relaxed) }

    /// Counts a new connection, or returns false when there are too many.
    ///
    /// At the limit one that is idle is ended for it. That takes a moment where it speaks TLS, so an eighth more than the
    /// limit may be open then.
    ///
    /// The counter guards no other memory, so no ordering is needed.
    func admit(_ channel: any Channel) -> Bool {
        let count = open.wrappingAdd(1, ordering: .relaxed).newValue
        if count > limits.connections {
            guard count <= limits.connections + limits.connections / 8 + 1, sweep(on: channel.eventLoop).makeRoom()
            else {
                open.wrappingSubtract(1, ordering: .relaxed)
                refused.wrappingAdd(1, ordering: .relaxed)
                return false
            }
        }
        channel.closeFuture.whenComplete { [self] _ in _ = open.wrappingSubtract(1, ordering: .relaxed) }
        return true
    }

    /// Looks at the connections of that event loop, on which this is called.
    func sweep(on eventLoop: any EventLoop) -> ConnectionSweep {
        sweeps.withLock { sweeps in
            if let sweep = sweeps[ObjectIdentifier(eventLoop)] { return sweep }
            let sweep = NIOLoopBound(
                ConnectionSweep(eventLoop, interval: limits.lookInterval),
                eventLoop: eventLoop
            )
            sweeps[ObjectIdentifier(eventLoop)] = sweep
            return sweep
        }.value
    }
}
