import Glibc
import NIOCore

/// Lets the system find out that a client's machine is gone: it says nothing, not even that it ends.
enum KeepAlive {
    /// Seconds without a byte before the first probe, seconds between probes, and how many stay unanswered.
    private static let options: [(name: CInt, value: SocketOptionValue)] = [
        (TCP_KEEPIDLE, 30), (TCP_KEEPINTVL, 10), (TCP_KEEPCNT, 3),
    ]

    static func set(on channel: any Channel) {
        let settings = channel.syncOptions
        // A connection that is gone already, or is no TCP, goes without.
        try? settings?.setOption(ChannelOptions.socketOption(.so_keepalive), value: 1)
        for (name, value) in options {
            // As above.
            try? settings?.setOption(ChannelOptions.tcpOption(NIOBSDSocket.Option(rawValue: name)), value: value)
        }
    }
}
