import Glibc
package import Metrics
import Synchronization

/// What the system says of this process; looked at when somebody asks.
package struct ProcessMetrics: Sendable {
    private let residentBytes: Meter
    private let openFiles: Meter
    private let openFilesLimit: Meter
    private let cpu: FloatingPointCounter
    private let cpuBefore = Seconds()

    private final class Seconds: Sendable {
        let value = Mutex(0.0)
    }

    /// To be made when the process starts.
    package init(_ factory: any MetricsFactory, version: String) {
        residentBytes = Meter(MetricNames.residentBytes, factory)
        openFiles = Meter(MetricNames.openFiles, factory)
        openFilesLimit = Meter(MetricNames.openFilesLimit, factory)
        cpu = FloatingPointCounter(MetricNames.cpuSeconds, factory)
        let now = Timestamp.now
        Meter(MetricNames.startTime, factory).set(Double(now.seconds) + Double(now.milliseconds) / 1_000)
        Meter(MetricNames.build, factory, [("version", version)]).set(1)
    }

    package func look() {
        if let pages = Self.residentPages { residentBytes.set(pages * sysconf(CInt(_SC_PAGESIZE))) }
        if let count = Self.openFileCount { openFiles.set(count) }
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            openFilesLimit.set(Double(limit.rlim_cur))
        }
        var usage = rusage()
        guard getrusage(RUSAGE_SELF.rawValue, &usage) == 0 else { return }
        let seconds = Self.seconds(usage.ru_utime) + Self.seconds(usage.ru_stime)
        let news = cpuBefore.value.withLock { before in
            defer { before = max(before, seconds) }
            return seconds - before
        }
        if news > 0 { cpu.increment(by: news) }
    }

    private static func seconds(_ time: timeval) -> Double {
        Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
    }

    /// Nil where the system does not say.
    ///
    /// https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html
    private static var residentPages: Int? {
        let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = read(file, &bytes, bytes.count)
        let fields = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ")
        return fields.count > 1 ? Int(fields[1]) : nil
    }

    /// Without the one that is open for looking.
    private static var openFileCount: Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // The directory itself, the one above it, and the descriptor of this look.
        return count - 3
    }
}
