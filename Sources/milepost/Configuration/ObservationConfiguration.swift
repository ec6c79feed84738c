import Configuration
import Observability

/// What others may see of the server at work.
struct ObservationConfiguration: Hashable {
    /// `metrics-host` (string, default 127.0.0.1) and `metrics-port` (int, default none; 0 lets the system choose): where
    /// `/metrics` is served besides the server's own port, to whoever reaches it.
    ///
    /// Nil without a port.
    let metrics: Listener?
    /// `traces-url` (string, default none): where spans are sent, as OTLP/HTTP in JSON.
    ///
    /// A URL of a host alone stands for its `/v1/traces`.
    let tracesURL: CollectorURL?
    /// `traces-percent` (int, default 100, 0–100): how many of the requests that bring no decision of their own are traced.
    let tracesPercent: Int
    /// `slow-call-ms` (int, default 1000, 0–3600000): requests that take longer are logged with where the time went;
    /// 0 logs none.
    let slowCall: Duration?

    static let keys: [(name: String, default: ConfigValue)] = [
        ("metrics-host", "127.0.0.1"),
        ("metrics-port", ""),
        ("traces-url", ""),
        ("traces-percent", 100),
        ("slow-call-ms", 1_000),
    ]

    init(_ config: ConfigReader) throws(StartError) {
        let host = try config.text("metrics-host")
        let port =
            config.string(forKey: "metrics-port") == "" ? nil : try config.number("metrics-port", in: 0...65_535)
        metrics = port.map {
            Listener(host: host, port: $0, hostOption: "--metrics-host", portOption: "--metrics-port")
        }
        tracesURL = try config.optionalText("traces-url").map(Self.collector)
        tracesPercent = try config.number("traces-percent", in: 0...100)
        let limit = try config.number("slow-call-ms", in: 0...3_600_000)
        slowCall = limit == 0 ? nil : .milliseconds(limit)
    }

    private static func collector(_ url: String) throws(StartError) -> CollectorURL {
        do {
            return try CollectorURL(url)
        } catch {
            // It may have a password in it, and is not shown.
            throw .usage("traces-url \(error.description)")
        }
    }
}
