import HTTPTypes
import Synchronization

/// All streams of events that one server has open.
package final class EventStreams: Sendable {
    /// What the streams of a server may take.
    package struct Limits: Sendable {
        /// Streams that may be open at one time; one more is refused.
        package var streams = 1_000
        /// How often a stream says that it is alive, and its client's credential is looked at again.
        package var heartbeat = Duration.seconds(15)
        /// How long a client may take for what it was sent.
        package var unread = Duration.seconds(30)
        /// How often the streams are looked at.
        package var lookInterval = Duration.milliseconds(500)

        package init() {}
    }

    private struct State {
        var streams: [ObjectIdentifier: EventStream] = [:]
        var isEnded = false
    }

    let limits: Limits
    private let state = Mutex(State())

    package init(limits: Limits = Limits()) {
        self.limits = limits
    }

    /// The streams that are open now.
    package var count: Int { state.withLock { $0.streams.count } }

    /// Looks after the streams until the task is cancelled, and ends them then.
    package func run() async {
        // Cancellation ends the waiting.
        while (try? await Task.sleep(for: limits.lookInterval)) != nil {
            let now = ContinuousClock.now
            for stream in state.withLock({ Array($0.streams.values) }) { stream.look(at: now, limits) }
        }
        end()
    }

    /// Ends all streams; one that is opened later is refused.
    package func end() {
        let streams = state.withLock { state in
            state.isEnded = true
            return Array(state.streams.values)
        }
        for stream in streams { stream.end() }
    }

    /// Takes in another stream; it counts until the place that it gets is left.
    func add(_ stream: EventStream) throws(APIError) -> Place {
        let refusal: APIError? = state.withLock { state in
            if state.isEnded { return .streamsEnd }
            if state.streams.count >= limits.streams { return .tooManyStreams(limit: limits.streams) }
            state.streams[ObjectIdentifier(stream)] = stream
            return nil
        }
        if let refusal { throw refusal }
        return Place(stream, in: self)
    }

    /// What a stream has here until it is left or let go of.
    final class Place: Sendable {
        private let stream: EventStream
        private let streams: EventStreams

        fileprivate init(_ stream: EventStream, in streams: EventStreams) {
            self.stream = stream
            self.streams = streams
        }

        deinit {
            leave()
        }

        /// A second call does nothing.
        func leave() {
            streams.state.withLock { $0.streams[ObjectIdentifier(stream)] = nil }
        }
    }
}

extension APIError {
    fileprivate static func tooManyStreams(limit: Int) -> APIError {
        APIError(
            status: .serviceUnavailable,
            detail: "The server has as many streams of events as it may (\(limit)); try again, or ask another server",
            retryAfter: 5
        )
    }

    fileprivate static let streamsEnd = APIError(
        status: .serviceUnavailable,
        detail: "The server is shutting down; send the request again",
        retryAfter: 5
    )
}
