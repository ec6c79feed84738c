import Glibc

/// Wakes a thread that waits in `poll`.
struct WakePipe: ~Copyable, Sendable {
    private let reading: CInt
    private let writing: CInt

    init() {
        var ends: [CInt] = [-1, -1]
        let kind = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let result = socketpair(AF_UNIX, CInt(kind), 0, &ends)
        precondition(result == 0, "the system has no file descriptor left; raise its limit of open files")
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        close(reading)
        close(writing)
    }

    /// Ends the next `wait`, or the one that goes on.
    func wake() {
        var byte: UInt8 = 0
        // A full pipe wakes too.
        _ = write(writing, &byte, 1)
    }

    /// Returns when it is woken, when `descriptor` has something to read, or after that time; nil for as long as it takes.
    func wait(for descriptor: CInt?, upTo limit: Duration?) {
        var descriptors = [pollfd(fd: reading, events: Int16(POLLIN), revents: 0)]
        if let descriptor { descriptors.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)) }
        let milliseconds = limit.map { CInt(max(0, min($0 / .milliseconds(1) + 1, 60_000))) } ?? -1
        poll(&descriptors, nfds_t(descriptors.count), milliseconds)
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(reading, &bytes, bytes.count) > 0 {}
    }
}
