import Glibc

/// A moment of the wall clock, to the millisecond, since 1970 in UTC.
package struct WallTime: Hashable, Comparable, Sendable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) {
        self.milliseconds = milliseconds
    }

    package static var now: WallTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return WallTime(milliseconds: Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000)
    }

    package func advanced(by duration: Duration) -> WallTime {
        WallTime(milliseconds: milliseconds + duration.milliseconds)
    }

    /// How long after `earlier` it is.
    package func since(_ earlier: WallTime) -> Duration {
        .milliseconds(milliseconds - earlier.milliseconds)
    }

    package static func < (left: WallTime, right: WallTime) -> Bool {
        left.milliseconds < right.milliseconds
    }
}

extension Duration {
    /// Rounded towards nothing.
    package var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}

extension WallTime {
    /// A date and a time with a zone, as Python's and JavaScript's `isoformat` give them; nil for any other text.
    ///
    /// A time without a zone is nil too: nobody knows when that was.
    package init?(iso8601 text: String) {
        var rest = text.utf8[...]
        guard let year = rest.number(of: 4), rest.skip("-"), let month = rest.number(of: 2), rest.skip("-"),
            let day = rest.number(of: 2), rest.skip("T") || rest.skip("t") || rest.skip(" "),
            let hour = rest.number(of: 2),
            rest.skip(":"), let minute = rest.number(of: 2), (1...12).contains(month), (1...31).contains(day),
            hour < 24,
            minute < 60
        else { return nil }
        var second: Int64 = 0
        var milliseconds: Int64 = 0
        if rest.skip(":") {
            guard let found = rest.number(of: 2), found < 61 else { return nil }
            second = found
            if rest.skip(".") || rest.skip(",") {
                guard let fraction = rest.fraction() else { return nil }
                milliseconds = fraction
            }
        }
        guard let offset = rest.zone(), rest.isEmpty else { return nil }
        let minutes = (Self.days(year, month, day) * 24 + hour) * 60 + minute - offset
        self.init(milliseconds: (minutes * 60 + second) * 1_000 + milliseconds)
    }

    /// Days since 1970 of a date of the Gregorian calendar.
    ///
    /// https://howardhinnant.github.io/date_algorithms.html#days_from_civil
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}

extension Substring.UTF8View {
    /// Digits after a point, in thousandths.
    fileprivate mutating func fraction() -> Int64? {
        let digits = prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard !digits.isEmpty else { return nil }
        var thousandths: Int64 = 0
        for place in 0..<3 {
            let digit = digits.dropFirst(place).first.map { Int64($0 - UInt8(ascii: "0")) } ?? 0
            thousandths = thousandths * 10 + digit
        }
        removeFirst(digits.count)
        return thousandths
    }

    /// Minutes east of UTC: `Z`, `+01:00`, `+0100` or `+01`.
    fileprivate mutating func zone() -> Int64? {
        if skip("Z") || skip("z") { return 0 }
        let isEast = skip("+")
        guard isEast || skip("-"), let hours = number(of: 2), hours < 24 else { return nil }
        var minutes: Int64 = 0
        if !isEmpty {
            _ = skip(":")
            guard let found = number(of: 2), found < 60 else { return nil }
            minutes = found
        }
        return (hours * 60 + minutes) * (isEast ? 1 : -1)
    }
}
