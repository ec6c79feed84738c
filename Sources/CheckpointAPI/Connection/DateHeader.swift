import Glibc

/// The value of a `date` header, made once a second.
///
/// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
package struct DateHeader {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private var second = 0
    private var text = ""

    var now: String {
        mutating get {
            let time = Glibc.time(nil)
            if time != second || text.isEmpty {
                second = time
                text = Self.text(time)
            }
            return text
        }
    }

    /// As in `Sun, 06 Nov 1994 08:49:37 GMT`.
    package static func text(_ time: Int) -> String {
        var time = time
        var parts = tm()
        gmtime_r(&time, &parts)
        func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : String(number) }
        let day = "\(days[Int(parts.tm_wday)]), \(padded(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
        let clock = "\(padded(parts.tm_hour)):\(padded(parts.tm_min)):\(padded(parts.tm_sec))"
        return "\(day) \(parts.tm_year + 1_900) \(clock) GMT"
    }
}
