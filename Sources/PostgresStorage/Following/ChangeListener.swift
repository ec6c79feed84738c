import Checkpoints
import Dispatch
import Synchronization

/// The session that listens to the other servers, and the looks at what is followed.
///
/// Behind a pooler no session listens: then what is followed is looked at more often.
final class ChangeListener: Sendable {
    /// How often what is followed is announced, and the session proves that it is there.
    private static let announcing = Duration.seconds(10)
    /// How often the followed threads are looked at, where notifications come, and where none do.
    private static let looking = (direct: Duration.seconds(5), pooled: Duration.seconds(1))
    /// How long after a thread begins to be followed all servers have heard of it.
    private static let hearing = Duration.milliseconds(1_500)

    private struct State {
        /// Threads that begin to be followed, to be announced at once.
        var announced: [ThreadKey] = []
        /// When the followed threads are looked at next; nil while they are being looked at, or there are none.
        var lookAt: ContinuousClock.Instant?
        var isLooking = false
        /// Whether there was a session before.
        var hasListened = false
        var isPooled = false
        var isClosed = false
    }

    private let target: ConnectionString
    private let following: PostgresFollowing
    private let readers: PostgresReaders
    private let queue = DispatchQueue(label: "milepost.postgres.listener")
    private let pipe = WakePipe()
    private let state = Mutex(State())

    init(_ target: ConnectionString, _ following: PostgresFollowing, _ readers: PostgresReaders) {
        self.target = target
        self.following = following
        self.readers = readers
        queue.async { self.run() }
    }

    /// A thread is followed from now on: tells the other servers, and looks once they have heard it.
    func began(_ thread: ThreadKey) {
        state.withLock { state in
            state.announced.append(thread)
            let next = ContinuousClock.now + Self.hearing
            if !state.isLooking { state.lookAt = min(state.lookAt ?? next, next) }
        }
        pipe.wake()
    }

    func close() async {
        state.withLock { $0.isClosed = true }
        pipe.wake()
        await withCheckedContinuation { done in
            queue.async { done.resume() }
        }
    }

    // MARK: - The thread

    private func run() {
        var session: ListeningSession?
        var retryAt = ContinuousClock.now
        var announceAt = ContinuousClock.now
        while !state.withLock({ $0.isClosed }) {
            // What came while a statement ran lies in libpq, and the socket does not tell of it.
            var mayHaveMore = false
            do throws(PostgresFailure) {
                if session == nil, !state.withLock({ $0.isPooled }), ContinuousClock.now >= retryAt {
                    session = try connect()
                    announceAt = .now
                }
                if let session {
                    for notification in try session.take() { heard(notification, &announceAt) }
                    let isDue = ContinuousClock.now >= announceAt
                    // Taken before the list of all: who begins from here on is announced the next time round.
                    let begun = takeAnnounced()
                    let threads = isDue ? following.feed.threads : begun
                    mayHaveMore = isDue || !threads.isEmpty
                    if mayHaveMore { try session.announce(threads, from: following.server) }
                    if isDue { announceAt = .now + Self.announcing }
                }
            } catch {
                session = nil
                retryAt = .now + .seconds(1)
                // What was told meanwhile is found by looking.
                state.withLock { state in if !state.isLooking { state.lookAt = .now } }
            }
            following.remote.expire()
            look()
            let times = [session == nil ? (state.withLock { $0.isPooled } ? nil : retryAt) : announceAt, lookAt]
            let next = times.compactMap { $0 }.min()
            pipe.wait(for: session?.descriptor, upTo: mayHaveMore ? .zero : next.map { $0 - .now })
        }
    }

    private func takeAnnounced() -> [ThreadKey] {
        state.withLock { state in
            defer { state.announced = [] }
            return state.announced
        }
    }

    private var lookAt: ContinuousClock.Instant? { state.withLock { $0.lookAt } }

    /// Nil behind a pooler.
    private func connect() throws(PostgresFailure) -> ListeningSession? {
        let connection = try PostgresConnection(target)
        guard !connection.isPooled else {
            state.withLock { $0.isPooled = true }
            return nil
        }
        let session = try ListeningSession(connection)
        try session.greet(from: following.server)
        // Before any notification of this session: whoever is told reads what came between the sessions.
        if state.withLock({ state in
            defer { state.hasListened = true }
            return state.hasListened
        }) {
            following.feed.publishMissed()
        }
        state.withLock { state in if !state.isLooking { state.lookAt = .now } }
        return session
    }

    private func heard(_ notification: Notification, _ announceAt: inout ContinuousClock.Instant) {
        switch notification {
        case .follows(let server, let threads):
            if server != following.server { following.remote.heard(threads) }
        case .hello(let server):
            if server != following.server { announceAt = .now }
        case .change(let server, let change): following.heard(change, from: server)
        }
    }

    // MARK: - Looking

    /// Looks if it is time; not again before that has come to its end.
    private func look() {
        let isDue = state.withLock { state in
            guard let lookAt = state.lookAt, lookAt <= .now, !state.isClosed else { return false }
            state.lookAt = nil
            state.isLooking = true
            return true
        }
        guard isDue else { return }
        guard let look = following.look() else { return state.withLock { $0.isLooking = false } }
        readers.add(
            look.read { found in
                // What could not be read is looked at the next time.
                if case .success(let found) = found { self.following.saw(found, look) }
                self.state.withLock { state in
                    state.isLooking = false
                    state.lookAt = .now + (state.isPooled ? Self.looking.pooled : Self.looking.direct)
                }
                self.pipe.wake()
            }
        )
    }
}

extension PostgresFollowing.Look {
    typealias Found = [ThreadKey: [ReadCheckpoint]]

    func read(then answer: @escaping @Sendable (Result<Found, StoreError>) -> Void) -> Read {
        Read("look at followed threads", query.statement) {
            answer(.failure($0))
        } finish: { result in
            answer(.success(FollowQuery.decode(result)))
            return nil
        }
    }
}
