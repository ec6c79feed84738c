import Configuration

/// What goes by itself, and when.
struct RetentionConfiguration: Hashable {
    /// `retain-idle` (duration, default none): threads that nothing changed for this long are deleted.
    let idle: Duration?
    /// `retain-age` (duration, default none): threads that are older are deleted.
    let age: Duration?
    /// `retain-last` (int, default 0, 0–1000000): of each namespace only the newest checkpoints are kept; 0 keeps all.
    let last: Int?
    /// `retention-file` (string, default none): JSON file with the same for single tenants.
    let file: String?
    /// `sweep-interval` (duration, default 10m): how long after one sweep the next begins.
    let interval: Duration

    static let keys: [(name: String, default: ConfigValue)] = [
        ("retain-idle", ""),
        ("retain-age", ""),
        ("retain-last", 0),
        ("retention-file", ""),
        ("sweep-interval", "10m"),
    ]

    init(_ config: ConfigReader) throws(StartError) {
        idle = try config.duration("retain-idle")
        age = try config.duration("retain-age")
        let count = try config.number("retain-last", in: 0...1_000_000)
        last = count == 0 ? nil : count
        file = try config.optionalText("retention-file")
        guard let interval = try config.duration("sweep-interval") else {
            throw .usage("sweep-interval is empty; give a time such as 10m")
        }
        self.interval = interval
    }
}

extension ConfigReader {
    /// Nil where that is empty.
    fileprivate func duration(_ key: String) throws(StartError) -> Duration? {
        guard let text = try optionalText(key) else { return nil }
        guard let duration = Duration(text: text) else {
            throw .usage(
                "\(key) is '\(text)'; give a number of days, hours, minutes or seconds, such as 30d, 12h, 15m or 90s")
        }
        return duration
    }
}

extension Duration {
    /// A number with its unit: `d`, `h`, `m` or `s`; more than nothing, and at most 36,500 days.
    init?(text: String) {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = Int64(text.dropLast()), count > 0,
            count <= 36_500 * 86_400 / unit
        else { return nil }
        self = .seconds(count * unit)
    }
}
