import Checkpoints
import Dispatch
import Glibc
import Synchronization

/// Something that waits for a connection.
protocol PostgresWork: Sendable {
    /// A verb phrase for the error's text.
    var operation: String { get }
    /// Until when it may wait and be tried again.
    var deadline: ContinuousClock.Instant { get }
    /// Bytes that it sends, about.
    var byteCount: Int { get }
    /// Whether it shares no batch, so that nobody waits for it.
    var isAlone: Bool { get }
    /// What no two works may have in flight at once; nil when it does not matter.
    var exclusion: CheckpointKey? { get }
    /// Called instead of an answer.
    func fail(_ error: StoreError)
}

/// What became of a batch.
struct PostgresOutcome<Work: Sendable>: Sendable {
    /// What was neither answered nor failed for good.
    var unfinished: [Work] = []
    /// Why it is unfinished.
    var failure: PostgresFailure?
}

/// Connections that share what waits: each has a thread of its own, which takes as much as it may at once.
///
/// A connection is made when it is first needed, and anew when it is lost. What could not be done is tried again until
/// its deadline: at once on a new connection if the old one was lost, else after what else waits.
final class PostgresLanes<Work: PostgresWork>: Sendable {
    /// Does a batch and answers what is done or has failed for good.
    typealias Perform = @Sendable (PostgresConnection, [Work]) -> PostgresOutcome<Work>

    private struct State {
        var waiting: [Work] = []
        var idle: [Int]
        var exclusions: Set<CheckpointKey> = []
        var isWatched = false
        var isClosed = false
    }

    /// Work that may wait; past that a caller is told that the store is busy.
    private static var limit: Int { 10_000 }
    /// Bytes that one batch sends, unless one work alone has more.
    private static var batchBytes: Int { 2 << 20 }

    private let name: String
    private let target: ConnectionString
    private let batchLimit: Int
    private let perform: Perform
    private let queues: [DispatchQueue]
    private let sessions: [Session]
    private let watch: DispatchQueue
    private let state: Mutex<State>

    /// A lane's connection.
    ///
    /// `@unchecked`: only the lane's own queue uses it.
    private final class Session: @unchecked Sendable {
        var connection: PostgresConnection? {
            didSet {
                isOpen.store(connection != nil, ordering: .relaxed)
            }
        }
        /// For whoever looks on.
        let isOpen = Atomic(false)
    }

    /// `batchLimit` is the most that one connection takes at once.
    init(_ name: String, _ target: ConnectionString, count: Int, batchLimit: Int, perform: @escaping Perform) {
        self.name = name
        self.target = target
        self.batchLimit = batchLimit
        self.perform = perform
        queues = (0..<count).map { DispatchQueue(label: "milepost.postgres.\(name).\($0)") }
        sessions = (0..<count).map { _ in Session() }
        watch = DispatchQueue(label: "milepost.postgres.\(name).watch")
        state = Mutex(State(idle: Array((0..<count).reversed())))
    }

    /// How many are open, and how many are at work.
    var load: StoreLoad.Lane {
        StoreLoad.Lane(
            name: name,
            open: sessions.count { $0.isOpen.load(ordering: .relaxed) },
            busy: state.withLock { queues.count - $0.idle.count }
        )
    }

    /// Takes the work in, or fails it at once, and returns immediately.
    func add(_ work: Work) {
        let refusal: StoreError.Kind? = state.withLock { state in
            if state.isClosed { return .closed }
            if state.waiting.count >= Self.limit { return .busy }
            state.waiting.append(work)
            // Under the lock, so that it stands before what `close` waits for.
            if let lane = state.idle.popLast() {
                queues[lane].async { self.drain(lane) }
            } else {
                watchDeadlines(&state)
            }
            return nil
        }
        if let refusal { work.fail(StoreError(refusal, during: work.operation)) }
    }

    /// Does what waits, refuses what comes later, and closes the connections.
    func close() async {
        state.withLock { $0.isClosed = true }
        for (queue, session) in zip(queues, sessions) {
            await withCheckedContinuation { done in
                queue.async {
                    session.connection = nil
                    done.resume()
                }
            }
        }
    }

    private func drain(_ lane: Int) {
        while let batch = takeBatch(lane) {
            let outcome = serve(batch, on: sessions[lane])
            let mustPause = outcome.failure.map { putBack(outcome.unfinished, $0) } ?? false
            release(batch)
            if mustPause { usleep(useconds_t(PostgresLimits.pause / .microseconds(1))) }
        }
    }

    // MARK: - Waiting

    /// The oldest that wait; the more lanes there are, the less one takes.
    private func takeBatch(_ lane: Int) -> [Work]? {
        let now = ContinuousClock.now
        // The first has waited longest, unless it was put back.
        if state.withLock({ $0.waiting.first.map { $0.deadline <= now } ?? false }) { failOverdue() }
        return state.withLock { state in
            let batch = Self.batch(from: &state, limit: min(batchLimit, state.waiting.count / queues.count + 1))
            guard batch.isEmpty else { return batch }
            state.idle.append(lane)
            // What others exclude goes on waiting.
            if !state.waiting.isEmpty { watchDeadlines(&state) }
            return nil
        }
    }

    private static func batch(from state: inout State, limit: Int) -> [Work] {
        let isFree = { (work: Work) in work.exclusion.map { !state.exclusions.contains($0) } ?? true }
        guard let first = state.waiting.firstIndex(where: isFree) else { return [] }
        var end = first + 1
        var bytes = state.waiting[first].byteCount
        while end < state.waiting.count, end - first < limit, !state.waiting[first].isAlone,
            !state.waiting[end].isAlone, bytes + state.waiting[end].byteCount <= batchBytes
        {
            bytes += state.waiting[end].byteCount
            end += 1
        }
        let batch = Array(state.waiting[first..<end])
        state.waiting.removeSubrange(first..<end)
        state.exclusions.formUnion(batch.compactMap(\.exclusion))
        return batch
    }

    /// The other lanes may take work of the same keys again.
    private func release(_ batch: [Work]) {
        let keys = batch.compactMap(\.exclusion)
        guard !keys.isEmpty else { return }
        state.withLock { $0.exclusions.subtract(keys) }
    }

    /// Work that may be tried again waits again, the rest fails; whether a pause should come first.
    private func putBack(_ works: [Work], _ failure: PostgresFailure) -> Bool {
        let next = ContinuousClock.now + PostgresLimits.pause
        let again = works.filter { $0.deadline > next }
        state.withLock { state in
            state.waiting.insert(contentsOf: again, at: failure.isLost ? 0 : state.waiting.count)
        }
        for work in works where work.deadline <= next { work.fail(failure.error(during: work.operation)) }
        return failure.isLost || !again.isEmpty && failure.state != "55P03"
    }

    /// Nobody waits longer than its deadline, for a connection or for others.
    private func failOverdue() {
        let now = ContinuousClock.now
        let overdue = state.withLock { state in
            guard state.waiting.contains(where: { $0.deadline <= now }) else { return [] as [Work] }
            let overdue = state.waiting.filter { $0.deadline <= now }
            state.waiting.removeAll { $0.deadline <= now }
            return overdue
        }
        for work in overdue {
            work.fail(StoreError(.unavailable, during: work.operation, detail: "no connection was free in time"))
        }
    }

    /// Looks at the deadlines every second for as long as something waits.
    private func watchDeadlines(_ state: inout State) {
        guard !state.isWatched else { return }
        state.isWatched = true
        watch.asyncAfter(deadline: .now() + .seconds(1)) {
            self.failOverdue()
            self.state.withLock { state in
                state.isWatched = false
                if !state.waiting.isEmpty { self.watchDeadlines(&state) }
            }
        }
    }

    // MARK: - Connections

    private func serve(_ batch: [Work], on session: Session) -> PostgresOutcome<Work> {
        if let open = session.connection, open.isAlive { return run(batch, open, session) }
        session.connection = nil
        do throws(PostgresFailure) {
            let connection = try PostgresConnection(target)
            // Connecting may have taken longer than some could wait.
            let now = ContinuousClock.now
            for work in batch where work.deadline <= now {
                work.fail(StoreError(.unavailable, during: work.operation, detail: "no connection was there in time"))
            }
            return run(batch.filter { $0.deadline > now }, connection, session)
        } catch {
            return PostgresOutcome(unfinished: batch, failure: error)
        }
    }

    private func run(
        _ batch: [Work],
        _ connection: PostgresConnection,
        _ session: Session
    ) -> PostgresOutcome<Work> {
        let outcome = batch.isEmpty ? PostgresOutcome() : perform(connection, batch)
        session.connection = connection.isUsable ? connection : nil
        return outcome
    }
}
