import Checkpoints
import HTTPTypes
import Hummingbird

extension StoreError {
    /// Whether it is this program, or damage, rather than the moment: a retry would meet it again.
    var isDefect: Bool {
        switch kind {
        case .busy, .full, .tooLarge, .held, .unavailable, .closed: false
        case .corrupt, .unexpected: true
        }
    }

    /// What the client is told.
    ///
    /// A change answered so has an unknown outcome unless `StoreError.Kind` says otherwise; it can be sent again,
    /// because every call is idempotent.
    var response: Response {
        switch kind {
        case .busy: .retry(after: 1, "The store is busy; send the request again")
        case .unavailable: .retry(after: 1, "The store is not available; send the request again")
        case .closed: .retry(after: 5, "The server is shutting down; send the request again")
        case .tooLarge:
            .detail(.contentTooLarge, "The writes of one task may come to 512 MiB in all; nothing was changed")
        case .held:
            .detail(
                .conflict,
                "The thread, or one of the threads, is held; release it first: PUT /threads/{thread_id}/retention with "
                    + #"{"hold":false}"#
            )
        case .full: .retry(after: 30, "The store's disk is full; nothing was changed")
        case .corrupt, .unexpected: .internalServerError
        }
    }
}
