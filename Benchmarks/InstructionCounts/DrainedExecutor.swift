import Synchronization

/// Runs a task on the thread that waits for it.
///
/// With one thread and no hand-over the counts are the same each time, and valgrind, which stops at a main thread that
/// ends before the others, has nothing to stop at.
final class DrainedExecutor: TaskExecutor {
    private let jobs = Mutex<[UnownedJob]>([])

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        jobs.withLock { $0.append(job) }
    }

    /// Returns when `body` has.
    func run(_ body: @escaping @Sendable () async -> Void) {
        let finished = Finished()
        Task(executorPreference: self) {
            await body()
            finished.flag.store(true, ordering: .releasing)
        }
        while !finished.flag.load(ordering: .acquiring) {
            guard let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) else { continue }
            job.runSynchronously(on: asUnownedTaskExecutor())
        }
    }

    private final class Finished: Sendable {
        let flag = Atomic(false)
    }
}
