import Checkpoints
import Glibc

/// A second of the wall clock.
package struct APIKeyTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Since 1970 in UTC.
    package let seconds: Int

    /// The second in which the year 9999 ends: RFC 3339 has four digits for a year.
    package static let last = APIKeyTime(seconds: 253_402_300_799)

    package init(seconds: Int) {
        self.seconds = seconds
    }

    package static var now: APIKeyTime {
        APIKeyTime(seconds: time(nil))
    }

    /// A date and time of RFC 3339, as `2026-01-31T23:59:59Z` or with `+01:00`, or a date alone for its first second in
    /// UTC; nil for any other text.
    ///
    /// A fraction of a second is left out.
    package init?(_ text: String) {
        var rest = text.utf8[...]
        var parts = tm()
        guard let year = rest.number(of: 4), rest.skip("-"), let month = rest.number(of: 2), rest.skip("-"),
            let day = rest.number(of: 2), year >= 1970
        else { return nil }
        (parts.tm_year, parts.tm_mon, parts.tm_mday) = (Int32(year) - 1_900, Int32(month) - 1, Int32(day))
        var offset: Int64 = 0
        if !rest.isEmpty {
            guard rest.skip("T"), let hour = rest.number(of: 2), rest.skip(":"), let minute = rest.number(of: 2),
                rest.skip(":"), let second = rest.number(of: 2), let zone = rest.offset()
            else { return nil }
            (parts.tm_hour, parts.tm_min, parts.tm_sec) = (Int32(hour), Int32(minute), Int32(second))
            offset = zone
        }
        // What there is not, such as February 30, comes back as another date.
        var normal = parts
        let seconds = timegm(&normal)
        guard normal.tm_mon == parts.tm_mon, normal.tm_mday == parts.tm_mday, normal.tm_hour == parts.tm_hour,
            normal.tm_min == parts.tm_min, normal.tm_sec == parts.tm_sec
        else { return nil }
        self.init(seconds: seconds - Int(offset))
    }

    /// As in `2026-01-31T23:59:59Z`.
    package var description: String {
        var (seconds, parts) = (seconds, tm())
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let date = "\(parts.tm_year + 1_900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
    }

    package static func < (left: APIKeyTime, right: APIKeyTime) -> Bool {
        left.seconds < right.seconds
    }
}

extension Substring.UTF8View {
    /// A fraction, if any, and all that is left: the time zone, in seconds east of UTC.
    fileprivate mutating func offset() -> Int64? {
        if skip(".") {
            let rest = drop { (0x30...0x39).contains($0) }
            guard rest.count < count else { return nil }
            self = rest
        }
        if skip("Z") { return isEmpty ? 0 : nil }
        let isEast = skip("+")
        guard isEast || skip("-"), let hours = number(of: 2), skip(":"), let minutes = number(of: 2), isEmpty,
            hours < 24, minutes < 60
        else { return nil }
        return (isEast ? 1 : -1) * (hours * 60 + minutes) * 60
    }
}
