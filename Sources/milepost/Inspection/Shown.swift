/// What the columns have of times and sizes.
enum Shown {
    /// `2026-01-02T03:04:05.678901+00:00` to the second, with `Z` for UTC; anything else as it is.
    static func time(_ text: String?) -> String {
        guard let text else { return "-" }
        let bytes = Array(text.utf8)
        guard bytes.count >= 19, bytes[10] == UInt8(ascii: "T"), bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return text
        }
        let zone = bytes[19...].drop { $0 == UInt8(ascii: ".") || (0x30...0x39).contains($0) }
        let suffix = String(decoding: zone, as: UTF8.self)
        let date = String(decoding: bytes[..<10], as: UTF8.self)
        let time = String(decoding: bytes[11..<19], as: UTF8.self)
        return "\(date) \(time)\(["+00:00", "Z"].contains(suffix) ? "Z" : suffix)"
    }

    /// To three digits, in powers of 1,000.
    static func size(_ bytes: Int) -> String {
        guard bytes >= 1_000 else { return "\(bytes) B" }
        let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"]
        var (whole, rest, place) = (bytes, 0, 0)
        while whole >= 1_000 {
            rest = whole % 1_000 / 100
            whole /= 1_000
            place += 1
        }
        return whole < 100 ? "\(whole).\(rest) \(units[place])" : "\(whole) \(units[place])"
    }
}
