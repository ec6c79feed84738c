import Hummingbird
import JSON
import NIOCore

/// What one answer takes of the budget for answers, from when it is made until it was sent or its client is gone.
///
/// Whoever has the answer to send holds it; what was taken is given back when nobody does any more.
final class AnswerReservation: Sendable {
    private let budget: BodyBudget
    private let bytes: Int

    private init(_ bytes: Int, of budget: BodyBudget) {
        self.budget = budget
        self.bytes = bytes
    }

    deinit {
        budget.giveBack(bytes)
    }

    /// Takes the bytes of an answer; throws the 503 that its client gets instead where they do not fit.
    ///
    /// Nil for a small answer, which is not counted: a connection has one at a time.
    static func taking(_ bytes: Int, of budget: BodyBudget) throws(APIError) -> AnswerReservation? {
        guard bytes > BodyBudget.smallBytes else { return nil }
        guard budget.takeAnswer(bytes) else { throw .tooManyAnswers(limit: budget.limit) }
        return AnswerReservation(bytes, of: budget)
    }
}

extension CallAnswer {
    /// Counts the answer among those that wait to be sent; throws the 503 that is sent instead.
    func reservation(in budget: BodyBudget) throws(APIError) -> AnswerReservation? {
        try AnswerReservation.taking(json?.bytes.count ?? 0, of: budget)
    }
}

extension Response {
    /// Counts the body among the answers that wait to be sent; throws the 503 that is sent instead.
    mutating func count(in budget: BodyBudget) throws(APIError) {
        guard let bytes = body.contentLength, let reservation = try AnswerReservation.taking(bytes, of: budget) else {
            return
        }
        body = ResponseBody(contentLength: bytes) { [body] writer in
            if let collector = writer as? BodyCollector {
                collector.reservation = reservation
            }
            try await body.write(writer)
            // The last write waits until the client has read most of what was written.
            withExtendedLifetime(reservation) {}
        }
    }
}
