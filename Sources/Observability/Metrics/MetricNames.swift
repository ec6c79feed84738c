/// Every metric there is: what is not written here is on no page.
///
/// docs/metrics.md has a row for each, and a test compares them.
package enum MetricNames {
    package static let all = requests + connections + access + store + retention + process

    // MARK: - Requests

    static let requestsTotal = MetricName(
        "milepost_requests_total", .counter, labels: ["call", "status"],
        "Requests answered, by call and HTTP status."
    )
    static let requestDuration = MetricName(
        "milepost_request_duration_seconds", .seconds, labels: ["call"],
        "Time from a request's beginning to its answer, by call."
    )
    static let slowCalls = MetricName(
        "milepost_slow_calls_total", .counter,
        "Requests that took longer than slow-call-ms, each of which was logged."
    )
    static let bodyBytes = MetricName(
        "milepost_body_bytes", .gauge,
        "Bytes of request bodies that are in memory now."
    )
    static let bodyLimit = MetricName(
        "milepost_body_limit_bytes", .gauge,
        "Bytes of request bodies that may be in memory at one time (max-in-flight-bytes)."
    )
    private static let requests = [requestsTotal, requestDuration, slowCalls, bodyBytes, bodyLimit]

    // MARK: - Connections

    static let connectionsOpen = MetricName(
        "milepost_connections", .gauge, "Connections of clients that are open now.")
    static let connectionsLimit = MetricName(
        "milepost_connections_limit", .gauge, "Connections that may be open at one time (max-connections).")
    static let connectionsRefused = MetricName(
        "milepost_connections_refused_total", .counter, "Connections refused because there were too many.")
    private static let connections = [connectionsOpen, connectionsLimit, connectionsRefused]

    // MARK: - Access

    static let authenticationFailures = MetricName(
        "milepost_authentication_failures_total", .counter, labels: ["mode", "reason"],
        "Requests whose credential was missing or not accepted, by its kind and why."
    )
    static let accessDenials = MetricName(
        "milepost_access_denials_total", .counter,
        "Requests for what their callers may not do, and of pages of other sites."
    )
    private static let access = [authenticationFailures, accessDenials]

    // MARK: - The store

    static let storeUp = MetricName(
        "milepost_store_up", .gauge, "1 when the store answered when it was last asked, else 0.")
    static let queueWait = MetricName(
        "milepost_store_queue_wait_seconds", .seconds,
        "Time a change waited before its transaction began."
    )
    static let batchSize = MetricName(
        "milepost_store_batch_size", .batches, "Changes committed in one transaction.")
    static let applyDuration = MetricName(
        "milepost_store_apply_duration_seconds", .seconds,
        "Time a transaction took to apply its changes, before its commit."
    )
    static let commitDuration = MetricName(
        "milepost_store_commit_duration_seconds", .seconds,
        "Time a commit took until it was durable; over PostgreSQL the whole transaction."
    )
    static let commitFailures = MetricName(
        "milepost_store_commit_failures_total", .counter, "Transactions that failed.")
    static let flushDuration = MetricName(
        "milepost_store_fsync_duration_seconds", .flushSeconds,
        "Time a flush of the store's files to their disk took."
    )
    static let logBytes = MetricName(
        "milepost_store_wal_bytes", .gauge, "Size of the write-ahead log's file.")
    static let fileBytes = MetricName(
        "milepost_store_size_bytes", .gauge, "Size of the store's file, or of its tables and indexes.")
    static let freeBytes = MetricName(
        "milepost_store_free_bytes", .gauge, "Of the store's file, what is free to be used again.")
    static let diskFreeBytes = MetricName(
        "milepost_store_disk_available_bytes", .gauge, "Space left on the disk of the store's file.")
    static let logicalBytes = MetricName(
        "milepost_store_logical_bytes_total", .counter, "Bytes of the values that were stored, as they came.")
    static let storedBytes = MetricName(
        "milepost_store_stored_bytes_total", .counter, "Bytes of the values that were stored, as they were kept.")
    static let compressionRatio = MetricName(
        "milepost_store_compression_ratio", .gauge,
        "Bytes as they came by bytes as they were kept, since the process started."
    )
    static let threads = MetricName(
        "milepost_store_threads", .gauge, "Threads that have checkpoints; over PostgreSQL an estimate.")
    static let storeConnections = MetricName(
        "milepost_store_connections", .gauge, labels: ["lane", "state"],
        "Connections to the database that are open, and those at work."
    )
    static let evictions = MetricName(
        "milepost_cache_evictions_total", .counter, labels: ["cache"],
        "What was forgotten to make room for newer, by cache."
    )
    private static let store = [
        storeUp, queueWait, batchSize, applyDuration, commitDuration, commitFailures, flushDuration, logBytes,
        fileBytes,
        freeBytes, diskFreeBytes, logicalBytes, storedBytes, compressionRatio, threads, storeConnections, evictions,
    ]

    // MARK: - Retention

    static let sweeps = MetricName(
        "milepost_retention_sweeps_total", .counter, "Sweeps of retention that came to their end.")
    static let deletedThreads = MetricName(
        "milepost_retention_deleted_threads_total", .counter, "Threads that retention deleted.")
    static let deletedCheckpoints = MetricName(
        "milepost_retention_deleted_checkpoints_total", .counter,
        "Checkpoints that retention deleted, those of deleted threads among them."
    )
    static let lastSweep = MetricName(
        "milepost_retention_last_sweep_seconds", .gauge,
        "When the last sweep of retention ended, in seconds since 1970; 0 before the first."
    )
    static let reclaimedBytes = MetricName(
        "milepost_store_reclaimed_bytes_total", .counter, "Bytes given back to the file system.")
    private static let retention = [sweeps, deletedThreads, deletedCheckpoints, lastSweep, reclaimedBytes]

    // MARK: - The process

    static let build = MetricName(
        "milepost_build_info", .gauge, labels: ["version"], "1, with the program's version.")
    static let residentBytes = MetricName(
        "process_resident_memory_bytes", .gauge, "Physical memory of the process.")
    static let cpuSeconds = MetricName(
        "process_cpu_seconds_total", .counter, "Processor time that the process has used.")
    static let openFiles = MetricName(
        "process_open_fds", .gauge, "Files and sockets that the process has open.")
    static let openFilesLimit = MetricName(
        "process_max_fds", .gauge, "Files and sockets that the process may have open.")
    static let startTime = MetricName(
        "process_start_time_seconds", .gauge, "When the process started, in seconds since 1970.")
    private static let process = [build, residentBytes, cpuSeconds, openFiles, openFilesLimit, startTime]
}
