import Checkpoints
import Glibc

/// A moment of the wall clock, in UTC, to the millisecond.
package struct Timestamp: Hashable, Sendable {
    package let seconds: Int
    package let milliseconds: Int

    package init(seconds: Int, milliseconds: Int) {
        self.seconds = seconds
        self.milliseconds = milliseconds
    }

    package static var now: Timestamp {
        let (seconds, milliseconds) = WallTime.now.milliseconds.quotientAndRemainder(dividingBy: 1_000)
        return Timestamp(seconds: Int(seconds), milliseconds: Int(milliseconds))
    }

    /// As in `2026-01-31T23:59:59.042Z`.
    package var iso8601: String {
        let parts = calendar
        let date = "\(parts.tm_year + 1_900)-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        return "\(date)T\(timeOfDay)Z"
    }

    /// As in `23:59:59.042`.
    package var timeOfDay: String {
        let parts = calendar
        let time = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(time).\(padded(Int32(milliseconds), 3))"
    }

    private var calendar: tm {
        var seconds = self.seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        return parts
    }

    private func padded(_ number: Int32, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
