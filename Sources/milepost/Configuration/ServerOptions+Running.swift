import ArgumentParser
import Configuration

/// What is seen of the server at work.
struct ObservationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address of the metrics' own port (default: 127.0.0.1).", valueName: "address"))
    var metricsHost: String?

    @Option(help: ArgumentHelp("Serve /metrics also on this port, without authentication.", valueName: "number"))
    var metricsPort: Int?

    @Option(help: ArgumentHelp("Where to send traces, as OTLP/HTTP in JSON.", valueName: "url"))
    var tracesUrl: String?

    @Option(help: ArgumentHelp("How many of the requests are traced (default: 100).", valueName: "percent"))
    var tracesPercent: Int?

    @Option(
        help: ArgumentHelp(
            "Log where the time went in requests that took longer, 0 for none (default: 1000).",
            valueName: "milliseconds"
        )
    )
    var slowCallMs: Int?

    var values: [(String, ConfigContent?)] {
        [
            ("metrics-host", metricsHost.map(ConfigContent.string)),
            ("metrics-port", metricsPort.map(ConfigContent.int)),
            ("traces-url", tracesUrl.map(ConfigContent.string)),
            ("traces-percent", tracesPercent.map(ConfigContent.int)),
            ("slow-call-ms", slowCallMs.map(ConfigContent.int)),
        ]
    }
}

/// What goes by itself.
struct RetentionOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Delete threads that nothing changed for this long, such as 30d.", valueName: "time"))
    var retainIdle: String?

    @Option(help: ArgumentHelp("Delete threads that are older than this.", valueName: "time"))
    var retainAge: String?

    @Option(help: ArgumentHelp("Keep this many checkpoints of each namespace.", valueName: "number"))
    var retainLast: Int?

    @Option(help: ArgumentHelp("JSON file with the same for single tenants.", valueName: "path"))
    var retentionFile: String?

    @Option(help: ArgumentHelp("How long after a sweep the next begins (default: 10m).", valueName: "time"))
    var sweepInterval: String?

    var values: [(String, ConfigContent?)] {
        [
            ("retain-idle", retainIdle.map(ConfigContent.string)),
            ("retain-age", retainAge.map(ConfigContent.string)),
            ("retain-last", retainLast.map(ConfigContent.int)),
            ("retention-file", retentionFile.map(ConfigContent.string)),
            ("sweep-interval", sweepInterval.map(ConfigContent.string)),
        ]
    }
}
