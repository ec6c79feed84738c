import Metrics
import Observability
import Testing

@Suite("Prometheus")
struct PrometheusTests {
    private static let names = [
        MetricName("requests_total", .counter, labels: ["call"], "Requests,\nby \\call\\."),
        MetricName("size_bytes", .gauge, "How large."),
        MetricName("wait_seconds", .histogram([0.001, 0.5, 10]), labels: ["call"], "Waits."),
        MetricName("batch_size", .histogram([1, 2]), "Changes together."),
    ]

    private func page(_ body: (PrometheusFactory) -> Void) -> String {
        let registry = PrometheusRegistry(Self.names)
        body(PrometheusFactory(registry))
        return PrometheusText.page(registry)
    }

    @Test("The page: names in order, series in order, buckets that add up")
    func whole() {
        let text = page { factory in
            let wait = Timer(label: "wait_seconds", dimensions: [("call", "put")], factory: factory)
            for nanoseconds: Int64 in [0, 1_000_000, 1_000_001, 500_000_000, 20_000_000_000] {
                wait.recordNanoseconds(nanoseconds)
            }
            let batches = Recorder(label: "batch_size", factory: factory)
            for size in [1, 2, 3] { batches.record(size) }
            Counter(label: "requests_total", dimensions: [("call", "put")], factory: factory).increment(by: 3)
            Counter(label: "requests_total", dimensions: [("call", "list")], factory: factory).increment()
            Meter(label: "size_bytes", factory: factory).set(1.5)
        }
        #expect(
            text == #"""
                # HELP batch_size Changes together.
                # TYPE batch_size histogram
                batch_size_bucket{le="1"} 1
                batch_size_bucket{le="2"} 2
                batch_size_bucket{le="+Inf"} 3
                batch_size_sum 6
                batch_size_count 3
                # HELP requests_total Requests,\nby \\call\\.
                # TYPE requests_total counter
                requests_total{call="list"} 1
                requests_total{call="put"} 3
                # HELP size_bytes How large.
                # TYPE size_bytes gauge
                size_bytes 1.5
                # HELP wait_seconds Waits.
                # TYPE wait_seconds histogram
                wait_seconds_bucket{call="put",le="0.001"} 2
                wait_seconds_bucket{call="put",le="0.5"} 4
                wait_seconds_bucket{call="put",le="10"} 4
                wait_seconds_bucket{call="put",le="+Inf"} 5
                wait_seconds_sum{call="put"} 20.502000001
                wait_seconds_count{call="put"} 5

                """#
        )
    }

    @Test("A label's value may be anything")
    func values() {
        let text = page { factory in
            Counter(label: "requests_total", dimensions: [("call", "a\"b\\c\nd\r\n{é}")], factory: factory).increment()
        }
        #expect(text.contains("requests_total{call=\"a\\\"b\\\\c\\nd\r\\n{é}\"} 1\n"))
    }

    @Test("A name that Prometheus would not take becomes one that it does")
    func illegalNames() {
        let text = page { factory in
            Counter(label: "my-app.requests", dimensions: [("le", "1"), ("9 lives", "2")], factory: factory).increment()
            Counter(label: "", dimensions: [("", "")], factory: factory).increment()
            Counter(label: "7", dimensions: [("a", "1"), ("a", "2"), ("__x", "3")], factory: factory).increment()
        }
        #expect(
            text == """
                # TYPE _ counter
                _{_=""} 1
                # TYPE _7 counter
                _7{a="1",a_="2",own___x="3"} 1
                # TYPE my_app_requests counter
                my_app_requests{own_le="1",_9_lives="2"} 1

                """
        )
    }

    @Test("What is made twice is one series; of another kind it is none")
    func kinds() {
        let text = page { factory in
            Counter(label: "requests_total", factory: factory).increment()
            Counter(label: "requests_total", factory: factory).increment()
            Meter(label: "requests_total", factory: factory).set(7)
            Timer(label: "requests_total", factory: factory).recordNanoseconds(7)
            Recorder(label: "size_bytes", aggregate: false, factory: factory).record(4)
            Recorder(label: "size_bytes", aggregate: true, factory: factory).record(5)
        }
        #expect(text.contains("requests_total 2\n"))
        #expect(text.contains("size_bytes 4\n"))
        #expect(!text.contains("7") && !text.contains("5"))
    }

    @Test("A counter never goes down, and what is no number is not counted")
    func numbers() {
        let text = page { factory in
            let counter = FloatingPointCounter(label: "requests_total", factory: factory)
            for amount in [1.5, -1, .infinity, .nan] { counter.increment(by: amount) }
            counter.reset()
            let batches = Recorder(label: "batch_size", factory: factory)
            for value in [Double.nan, .infinity, -1] { batches.record(value) }
            let meter = Meter(label: "size_bytes", factory: factory)
            meter.set(Double.infinity)
            Meter(label: "other", factory: factory).set(Double.nan)
        }
        #expect(text.contains("requests_total 1.5\n"))
        #expect(text.contains("batch_size_count 1\n") && text.contains("batch_size_sum -1\n"))
        #expect(text.contains("size_bytes +Inf\n") && text.contains("other NaN\n"))
    }

    @Test("Nothing is lost when many threads count at once")
    func concurrency() async {
        let registry = PrometheusRegistry(Self.names)
        let factory = PrometheusFactory(registry)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    let counter = Counter(label: "requests_total", factory: factory)
                    let batches = Recorder(label: "batch_size", factory: factory)
                    for _ in 0..<1_000 {
                        counter.increment()
                        batches.record(2)
                    }
                }
            }
        }
        let text = PrometheusText.page(registry)
        #expect(text.contains("requests_total 8000\n"))
        #expect(text.contains("batch_size_sum 16000\n") && text.contains("batch_size_count 8000\n"))
    }

    @Test("What is destroyed is on the page no more")
    func destroying() {
        let text = page { factory in
            let counter = Counter(label: "requests_total", dimensions: [("call", "put")], factory: factory)
            counter.increment()
            Counter(label: "requests_total", dimensions: [("call", "list")], factory: factory).increment()
            let meter = Meter(label: "size_bytes", factory: factory)
            meter.set(1)
            counter.destroy()
            meter.destroy()
        }
        #expect(!text.contains("put") && !text.contains("size_bytes"))
        #expect(text.contains("requests_total{call=\"list\"} 1\n"))
    }
}
