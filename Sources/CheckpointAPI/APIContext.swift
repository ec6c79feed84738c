package import Hummingbird

/// What the steps of one request share.
package struct APIContext: RequestContext {
    package var coreContext: CoreRequestContextStorage
    /// Names the request in the log and in the answer's `x-request-id`.
    package var requestID = ""
    /// Who asks.
    ///
    /// Until a step has authenticated the caller, the server's own user on this machine.
    package var principal = Principal.local

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
    }
}

/// Limits of the HTTP interface that an operator may set.
package struct APILimits: Sendable {
    /// Bytes of a request's body; more is answered with 413.
    ///
    /// A body is held in memory once.
    package var bodyBytes: Int

    package static let defaultBodyBytes = 64 * 1_024 * 1_024

    package init(bodyBytes: Int = defaultBodyBytes) {
        self.bodyBytes = bodyBytes
    }
}
