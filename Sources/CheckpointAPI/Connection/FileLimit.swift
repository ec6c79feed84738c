import Glibc

/// How many files and connections this process may have open at one time.
package enum FileLimit {
    /// What the store, the log and the listening socket need beside the connections.
    private static let reserve = 256

    /// Raises the limit as far as this process may, and returns how many connections fit below it.
    package static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        limit.rlim_cur = limit.rlim_max
        // Refused, the old limit stays and is what is reported.
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        return max(1, Int(clamping: limit.rlim_cur) - reserve)
    }
}
