package import Authentication
import Checkpoints
package import Hummingbird
import NIOCore

/// What the steps of one request share.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Names the request in the log and in the answer's `x-request-id`.
    package var requestID = ""
    /// Who asks; nil until that has been found out.
    package var principal: Principal?
    /// When the request's head came; nil for now.
    var start: MonotonicTime?
    /// Whether the bytes of the body are counted by who collected it, and not to be counted again.
    var isBodyCounted = false

    /// What tells who is at the other end of the connection.
    private let origin: Origin

    private enum Origin {
        case known(ConnectedClient)
        case channel(any Channel)
    }

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        origin = .channel(source.channel)
    }

    init(source: ApplicationRequestContextSource, client: ConnectedClient) {
        coreContext = CoreRequestContextStorage(source: source)
        origin = .known(client)
    }

    /// Who is at the other end of the connection.
    ///
    /// Made when asked for, which an open server seldom does; in the request's task.
    package var client: ConnectedClient {
        switch origin {
        case .known(let client): client
        case .channel(let channel): .of(channel)
        }
    }

    /// The connection, or the stream of HTTP/2, that an answer takes its time on; nil where it is made at once.
    var channel: (any Channel)? {
        if case .channel(let channel) = origin { channel } else { nil }
    }

    /// Who asks, in what stands behind `AccessMiddleware`.
    var caller: Principal { principal ?? .nobody }
}

/// Limits of the HTTP interface that an operator may set.
package struct APILimits: Sendable {
    /// Bytes of a request's body; more is answered with 413.
    ///
    /// A body is held in memory once.
    package var bodyBytes: Int
    /// Bytes of all requests' bodies that are in memory at one time; what does not fit is answered with 503.
    ///
    /// Less than `bodyBytes` would refuse the largest bodies forever.
    package var inFlightBytes: Int
    /// Whether blobs and writes that are Python pickles are refused: to load one is to run what it says.
    package var refusesPickle: Bool

    package static let defaultBodyBytes = 64 * 1_024 * 1_024
    /// The most that `bodyBytes` may be: a body is one buffer, and what is stored of it one value.
    package static let maximumBodyBytes = 512 * 1_024 * 1_024

    /// Without `inFlightBytes`, its default.
    package init(bodyBytes: Int = defaultBodyBytes, inFlightBytes: Int? = nil, refusesPickle: Bool = false) {
        self.bodyBytes = bodyBytes
        self.refusesPickle = refusesPickle
        self.inFlightBytes = inFlightBytes ?? Self.defaultInFlightBytes(for: bodyBytes)
    }

    /// 128 MiB, or two of the largest bodies where that is more.
    package static func defaultInFlightBytes(for bodyBytes: Int) -> Int {
        max(128 * 1_024 * 1_024, 2 * min(bodyBytes, .max / 2))
    }
}
