import Logging
import Synchronization

extension APIKeyRing {
    private static let interval = Duration.seconds(1)

    /// What the log has said of a file that cannot be used.
    struct Problem: Hashable, Sendable {
        let error: APIKeyFileError
        let status: FileStatus?
    }

    /// Looks at the file each second, until the task is cancelled: a change holds within two.
    package func run() async {
        while true {
            do {
                try await Task.sleep(for: Self.interval)
            } catch {
                return
            }
            look()
        }
    }

    /// Takes the keys of the file if it has changed.
    ///
    /// One that cannot be used leaves the keys as they are, and one that is gone leaves none; either is logged once.
    package func look() {
        var status: FileStatus?
        do throws(APIKeyFileError) {
            status = try FileStatus.named(file.path)
            guard status == nil || status != state.withLock({ $0.seen }) else { return }
            let read = try file.load()
            take(read.records, read.status)
        } catch {
            report(Problem(error: error, status: status))
        }
    }

    private func take(_ records: [APIKeyRecord], _ status: FileStatus) {
        let table = APIKeyTable(records)
        let isNews = state.withLock { state in
            let isNews = state.problem != nil || state.table.records != records
            state = State(table: table, seen: status.isSettled(at: .now) ? status : nil)
            return isNews
        }
        guard isNews else { return }
        let time = now()
        logger.notice(
            "the API keys are read again",
            metadata: [
                "path": .string(file.path),
                "active": .stringConvertible(records.count { $0.state(at: time) == .active }),
            ]
        )
    }

    private func report(_ problem: Problem) {
        let isGone = problem.error.kind == .missing
        let isNews = state.withLock { state in
            let isNews = state.problem != problem
            if isGone { state.table = APIKeyTable([]) }
            (state.seen, state.problem) = (nil, problem)
            return isNews
        }
        guard isNews else { return }
        logger.error(
            isGone
                ? "the key file is gone; no API key is accepted"
                : "the key file cannot be used; the API keys read before stay",
            metadata: ["problem": .string(problem.error.description)]
        )
    }
}
