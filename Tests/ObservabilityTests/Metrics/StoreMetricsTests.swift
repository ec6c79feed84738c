import Checkpoints
import Observability
import Testing

@Suite("Metrics of stores and requests")
struct StoreMetricsTests {
    private func page(_ body: (PrometheusFactory) -> Void) -> [Substring] {
        let registry = PrometheusRegistry()
        body(PrometheusFactory(registry))
        return PrometheusText.page(registry).split(separator: "\n")
    }

    private var report: CommitReport {
        var report = CommitReport(
            waits: [.milliseconds(1), .milliseconds(30)], applying: .milliseconds(4), committing: .milliseconds(6))
        report.logicalBytes = 300
        report.storedBytes = 100
        return report
    }

    @Test("A commit is counted in each of its parts")
    func commit() {
        let lines = page { factory in
            let metrics = StoreMetrics(.sqlite, factory)
            metrics.committed(report)
            metrics.committed(report)
            metrics.commitFailed()
            metrics.flushed(.microseconds(150))
            metrics.evicted(12)
        }
        for line in [
            "milepost_store_queue_wait_seconds_bucket{le=\"0.001\"} 2",
            "milepost_store_queue_wait_seconds_bucket{le=\"0.02\"} 2",
            "milepost_store_queue_wait_seconds_bucket{le=\"0.05\"} 4",
            "milepost_store_batch_size_bucket{le=\"1\"} 0",
            "milepost_store_batch_size_bucket{le=\"2\"} 2",
            "milepost_store_apply_duration_seconds_sum 0.008",
            "milepost_store_commit_duration_seconds_sum 0.012",
            "milepost_store_commit_failures_total 1",
            "milepost_store_fsync_duration_seconds_bucket{le=\"0.0001\"} 0",
            "milepost_store_fsync_duration_seconds_bucket{le=\"0.0002\"} 1",
            "milepost_store_logical_bytes_total 600",
            "milepost_store_stored_bytes_total 200",
            "milepost_cache_evictions_total{cache=\"blobs\"} 12",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
    }

    @Test("What a database keeps to itself is not on the page")
    func postgres() {
        let lines = page { factory in
            let metrics = StoreMetrics(.postgres, factory)
            metrics.committed(CommitReport(waits: [.zero], applying: nil, committing: .milliseconds(6)))
            metrics.flushed(.seconds(1))
            metrics.evicted(1)
        }
        #expect(lines.contains("milepost_store_commit_duration_seconds_count 1"))
        #expect(!lines.contains { $0.contains("fsync") || $0.contains("stored_bytes") || $0.contains("apply") })
    }

    @Test("Requests are counted by call and status, times by call")
    func requests() {
        let lines = page { factory in
            let metrics = RequestMetrics(calls: ["other", "put"], factory)
            for status in [200, 503, 200] { metrics.answered(1, status: status, after: 2_000_000) }
            metrics.answered(0, status: 404, after: 100_000_000_000)
            metrics.wasSlow()
        }
        for line in [
            "milepost_requests_total{call=\"put\",status=\"200\"} 2",
            "milepost_requests_total{call=\"put\",status=\"503\"} 1",
            "milepost_requests_total{call=\"other\",status=\"404\"} 1",
            "milepost_request_duration_seconds_bucket{call=\"put\",le=\"0.001\"} 0",
            "milepost_request_duration_seconds_bucket{call=\"put\",le=\"0.002\"} 3",
            "milepost_request_duration_seconds_bucket{call=\"other\",le=\"10\"} 0",
            "milepost_request_duration_seconds_bucket{call=\"other\",le=\"+Inf\"} 1",
            "milepost_slow_calls_total 1",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
    }

    @Test("Refusals are counted by kind, and what caches forgot as it grows")
    func access() {
        let lines = page { factory in
            let metrics = AccessMetrics(factory)
            metrics.failed(mode: "key", reason: "expired")
            metrics.denied()
            for total in [3, 5, 2] { metrics.evicted(total, from: .tokens) }
            let retention = RetentionMetrics(factory)
            var report = RetentionSweep.Report()
            report.deleted = 2
            report.removed = RowCounts(checkpoints: 9)
            report.freed = FreedSpace(bytes: 4_096)
            retention.observe(report, at: Timestamp(seconds: 1_769_904_000, milliseconds: 500))
        }
        for line in [
            "milepost_authentication_failures_total{mode=\"none\",reason=\"missing\"} 0",
            "milepost_authentication_failures_total{mode=\"key\",reason=\"expired\"} 1",
            "milepost_access_denials_total 1",
            "milepost_cache_evictions_total{cache=\"tokens\"} 7",
            "milepost_cache_evictions_total{cache=\"principals\"} 0",
            "milepost_retention_sweeps_total 1",
            "milepost_retention_deleted_threads_total 2",
            "milepost_retention_deleted_checkpoints_total 9",
            "milepost_retention_last_sweep_seconds 1769904000.5",
            "milepost_store_reclaimed_bytes_total 4096",
        ] {
            #expect(lines.contains(Substring(line)), "\(line)")
        }
    }

    @Test("Nanoseconds of a time, also of one that is too long for them")
    func nanoseconds() {
        #expect(Duration.zero.nanoseconds == 0)
        #expect(Duration.nanoseconds(1).nanoseconds == 1)
        #expect((Duration.seconds(3) + .microseconds(7)).nanoseconds == 3_000_007_000)
        #expect(Duration.milliseconds(-5).nanoseconds == -5_000_000)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
    }
}
